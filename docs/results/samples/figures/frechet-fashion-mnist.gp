# Draws frechet-fashion-mnist.svg and frechet-fashion-mnist.png from frechet-fashion-mnist.csv. In their folder: gnuplot frechet-fashion-mnist.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 0.85 noborder
set boxwidth 0.7
set style line 1 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 1
set style line 2 lw 2 lc rgb '#D55E00' pt 5 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1200,336 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2400,672 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'frechet-fashion-mnist.'.format
  set multiplot
  set origin 0, 0.1071428571428571; set size 0.3333333333333333, 0.8928571428571429
  set title 'prior' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'Fréchet distance' font ',13'
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
    'frechet-fashion-mnist.csv' skip 1 every ::0::5 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::0::5 using 3:4 with linespoints ls 1 pointnumber 10, \
    'frechet-fashion-mnist.csv' skip 1 every ::6::23 using 3:4 with points ls 1 ps 0.35 pt 6, \
    'frechet-fashion-mnist.csv' skip 1 every ::24::29 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::24::29 using 3:4 with linespoints ls 2 pointnumber 10, \
    'frechet-fashion-mnist.csv' skip 1 every ::30::47 using 3:4 with points ls 2 ps 0.35 pt 6
  set origin 0.3333333333333333, 0.1071428571428571; set size 0.3333333333333333, 0.8928571428571429
  set title 'ex-post-gaussian' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'Fréchet distance' font ',13'
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
    'frechet-fashion-mnist.csv' skip 1 every ::48::53 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::48::53 using 3:4 with linespoints ls 1 pointnumber 10, \
    'frechet-fashion-mnist.csv' skip 1 every ::54::71 using 3:4 with points ls 1 ps 0.35 pt 6, \
    'frechet-fashion-mnist.csv' skip 1 every ::72::77 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::72::77 using 3:4 with linespoints ls 2 pointnumber 10, \
    'frechet-fashion-mnist.csv' skip 1 every ::78::95 using 3:4 with points ls 2 ps 0.35 pt 6
  set origin 0.6666666666666666, 0.1071428571428571; set size 0.3333333333333333, 0.8928571428571429
  set title 'ex-post-mixture' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'Fréchet distance' font ',13'
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
    'frechet-fashion-mnist.csv' skip 1 every ::96::101 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::96::101 using 3:4 with linespoints ls 1 pointnumber 10, \
    'frechet-fashion-mnist.csv' skip 1 every ::102::119 using 3:4 with points ls 1 ps 0.35 pt 6, \
    'frechet-fashion-mnist.csv' skip 1 every ::120::125 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::120::125 using 3:4 with linespoints ls 2 pointnumber 10, \
    'frechet-fashion-mnist.csv' skip 1 every ::126::143 using 3:4 with points ls 2 ps 0.35 pt 6
  set origin 0, 0; set size 1, 0.10714285714285714
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 2 samplen 3
  plot \
    NaN with linespoints ls 1 title 'β-VAE', \
    NaN with linespoints ls 2 title 'GRAE≈'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
