# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot scores.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 0.85 noborder
set boxwidth 0.7
set style line 1 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 1
set style line 2 lw 2 lc rgb '#D55E00' pt 5 ps 0.8 dt 1
set style line 3 lw 2 lc rgb '#009E73' pt 9 ps 0.8 dt 1
set style line 4 lw 2 lc rgb '#CC79A7' pt 13 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1200,636 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2400,1272 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './scores.'.format
  set multiplot
  set origin 0, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'mig' font ',13'
  set xlabel '' font ',13' offset 0, 0
  unset bmargin
  set ylabel '' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  set xrange [0.4:4.6]
  unset xtics
  set autoscale y
  set yrange [*<0:0<*]
  set errorbars 2 lc rgb '#222222' lw 1.5
  plot \
    './scores.csv' skip 1 every ::0::0 using (1):4:5 with boxerrorbars ls 1, \
    './scores.csv' skip 1 every ::1::1 using (2):4:5 with boxerrorbars ls 2, \
    './scores.csv' skip 1 every ::2::2 using (3):4:5 with boxerrorbars ls 3, \
    './scores.csv' skip 1 every ::3::3 using (4):4:5 with boxerrorbars ls 4
  set origin 0.3333333333333333, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'sap' font ',13'
  set xlabel '' font ',13' offset 0, 0
  unset bmargin
  set ylabel '' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  set xrange [0.4:4.6]
  unset xtics
  set autoscale y
  set yrange [*<0:0<*]
  set errorbars 2 lc rgb '#222222' lw 1.5
  plot \
    './scores.csv' skip 1 every ::4::4 using (1):4:5 with boxerrorbars ls 1, \
    './scores.csv' skip 1 every ::5::5 using (2):4:5 with boxerrorbars ls 2, \
    './scores.csv' skip 1 every ::6::6 using (3):4:5 with boxerrorbars ls 3, \
    './scores.csv' skip 1 every ::7::7 using (4):4:5 with boxerrorbars ls 4
  set origin 0.6666666666666666, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'dci_disentanglement' font ',13'
  set xlabel '' font ',13' offset 0, 0
  unset bmargin
  set ylabel '' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  set xrange [0.4:4.6]
  unset xtics
  set autoscale y
  set yrange [*<0:0<*]
  set errorbars 2 lc rgb '#222222' lw 1.5
  plot \
    './scores.csv' skip 1 every ::8::8 using (1):4:5 with boxerrorbars ls 1, \
    './scores.csv' skip 1 every ::9::9 using (2):4:5 with boxerrorbars ls 2, \
    './scores.csv' skip 1 every ::10::10 using (3):4:5 with boxerrorbars ls 3, \
    './scores.csv' skip 1 every ::11::11 using (4):4:5 with boxerrorbars ls 4
  set origin 0, 0.05660377358490565; set size 0.3333333333333333, 0.4716981132075472
  set title 'factor_vae_score' font ',13'
  set xlabel '' font ',13' offset 0, 0
  unset bmargin
  set ylabel '' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  set xrange [0.4:4.6]
  unset xtics
  set autoscale y
  set errorbars default
  plot \
    './scores.csv' skip 1 every ::12::12 using (1):4:5 with yerrorbars ls 1 ps 1.4, \
    './scores.csv' skip 1 every ::13::13 using (2):4:5 with yerrorbars ls 2 ps 1.4, \
    './scores.csv' skip 1 every ::14::14 using (3):4:5 with yerrorbars ls 3 ps 1.4, \
    './scores.csv' skip 1 every ::15::15 using (4):4:5 with yerrorbars ls 4 ps 1.4
  set origin 0, 0; set size 1, 0.05660377358490566
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 4 samplen 3 notitle
  plot \
    NaN with boxes ls 1 title 'β-VAE, diagonal', \
    NaN with boxes ls 2 title 'β-VAE, blocks of 5', \
    NaN with boxes ls 3 title 'β-VAE, full', \
    NaN with boxes ls 4 title 'GRAE≈'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
