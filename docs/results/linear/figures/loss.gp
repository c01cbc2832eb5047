# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot loss.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 0.85 noborder
set boxwidth 0.7
set style line 1 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 1
set style line 2 lw 2 lc rgb '#D55E00' pt 5 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 800,336 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 1600,672 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './loss.'.format
  set multiplot
  set origin 0, 0.1071428571428571; set size 0.5, 0.8928571428571429
  set title 'mnist' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'loss above L* (%)' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 0.5
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [-0.019573206003624458:0.9868031707118442]
  set xrange [0.5579999999999999:2.042]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.5
  plot \
    './loss.csv' skip 1 every ::0::2 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::0::2 using 3:4 with linespoints ls 1 pointnumber 10, \
    './loss.csv' skip 1 every ::3::11 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './loss.csv' skip 1 every ::12::14 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::12::14 using 3:4 with linespoints ls 2 pointnumber 10, \
    './loss.csv' skip 1 every ::15::23 using 3:4 with points ls 2 ps 0.35 pt 6
  set origin 0.5, 0.1071428571428571; set size 0.5, 0.8928571428571429
  set title 'fashion-mnist' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'loss above L* (%)' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 0.5
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [-0.019573206003624458:0.9868031707118442]
  set xrange [0.5579999999999999:2.042]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.5
  plot \
    './loss.csv' skip 1 every ::24::26 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::24::26 using 3:4 with linespoints ls 1 pointnumber 10, \
    './loss.csv' skip 1 every ::27::35 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './loss.csv' skip 1 every ::36::38 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::36::38 using 3:4 with linespoints ls 2 pointnumber 10, \
    './loss.csv' skip 1 every ::39::47 using 3:4 with points ls 2 ps 0.35 pt 6
  set origin 0, 0; set size 1, 0.10714285714285714
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 2 samplen 3 notitle
  plot \
    NaN with linespoints ls 1 title 'diagonal', \
    NaN with linespoints ls 2 title 'full'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
