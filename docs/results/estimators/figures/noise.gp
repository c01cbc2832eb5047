# Draws noise.svg and noise.png from noise.csv. In their folder: gnuplot noise.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 0.85 noborder
set boxwidth 0.7
set pointintervalbox 0
set style line 1 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 1
set style line 2 lw 2 lc rgb '#D55E00' pt 5 ps 0.8 dt 1
set style line 3 lw 2 lc rgb '#009E73' pt 9 ps 0.8 dt 1
set style line 4 lw 2 lc rgb '#CC79A7' pt 13 ps 0.8 dt 1
set style line 5 lw 2 lc rgb '#E69F00' pt 11 ps 0.8 dt 1
set style line 6 lw 2 lc rgb '#56B4E9' pt 6 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 400,384 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 800,768 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'noise.'.format
  set multiplot
  set origin 0, 0.21875; set size 1, 0.78125
  set title 'gradient_noise_ratio' font ',13'
  set xlabel '' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'noise over norm' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  set xrange [0.4:6.6]
  unset xtics
  set autoscale y
  set yrange [*<0:0<*]
  set errorbars 2 lc rgb '#222222' lw 1.5
  plot \
    'noise.csv' skip 1 every ::0::0 using (1):4:5 with boxerrorbars ls 1, \
    'noise.csv' skip 1 every ::1::1 using (2):4:5 with boxerrorbars ls 2, \
    'noise.csv' skip 1 every ::2::2 using (3):4:5 with boxerrorbars ls 3, \
    'noise.csv' skip 1 every ::3::3 using (4):4:5 with boxerrorbars ls 4, \
    'noise.csv' skip 1 every ::4::4 using (5):4:5 with boxerrorbars ls 5, \
    'noise.csv' skip 1 every ::5::5 using (6):4 with boxes ls 6
  set origin 0, 0; set size 1, 0.21875
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 2 samplen 3
  plot \
    NaN with boxes ls 1 title '1 a step', \
    NaN with boxes ls 2 title '2 a step', \
    NaN with boxes ls 3 title '4 a step', \
    NaN with boxes ls 4 title '1 a sample', \
    NaN with boxes ls 5 title '4 a sample', \
    NaN with boxes ls 6 title 'all 16'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
