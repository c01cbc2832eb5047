# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot ratio-r.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 0.85 noborder
set boxwidth 0.7
set style line 1 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 1
set style line 2 lw 2 lc rgb '#D55E00' pt 5 ps 0.8 dt 1
set style line 3 lw 2 lc rgb '#009E73' pt 9 ps 0.8 dt 1
set style line 4 lw 2 lc rgb '#CC79A7' pt 13 ps 0.8 dt 1
set style line 5 lw 2 lc rgb '#E69F00' pt 11 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 540,512 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 1080,1024 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './ratio-r.'.format
  set multiplot
  set origin 0, 0.2578125; set size 1, 0.7421875
  set title '' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'R' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 0.2
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  plot \
    './ratio-r.csv' skip 1 every ::0::5 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::0::5 using 3:4 with linespoints ls 1 pointnumber 10, \
    './ratio-r.csv' skip 1 every ::6::23 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './ratio-r.csv' skip 1 every ::24::29 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::24::29 using 3:4 with linespoints ls 2 pointnumber 10, \
    './ratio-r.csv' skip 1 every ::30::47 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './ratio-r.csv' skip 1 every ::48::53 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::48::53 using 3:4 with linespoints ls 3 pointnumber 10, \
    './ratio-r.csv' skip 1 every ::54::71 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './ratio-r.csv' skip 1 every ::72::77 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::72::77 using 3:4 with linespoints ls 4 pointnumber 10, \
    './ratio-r.csv' skip 1 every ::78::95 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './ratio-r.csv' skip 1 every ::96::101 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::96::101 using 3:4 with linespoints ls 5 pointnumber 10, \
    './ratio-r.csv' skip 1 every ::102::107 using 3:4 with points ls 5 ps 0.35 pt 6
  set origin 0, 0; set size 1, 0.2578125
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 1 samplen 3 notitle
  plot \
    NaN with linespoints ls 1 title 'β-VAE, diagonal', \
    NaN with linespoints ls 2 title 'β-VAE, full', \
    NaN with linespoints ls 3 title 'GRAE≈', \
    NaN with linespoints ls 4 title 'GRAE≈, a column per sample', \
    NaN with linespoints ls 5 title 'GRAE'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
