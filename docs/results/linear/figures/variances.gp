# Draws variances.svg and variances.png from variances.csv. In their folder: gnuplot variances.gp
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
  set output 'variances.'.format
  set multiplot
  set origin 0, 0.1071428571428571; set size 0.5, 0.8928571428571429
  set title 'mnist' font ',13'
  set xlabel 'closed form, min(1, β/λ)' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  set logscale x
  set logscale y
  set xtics nomirror out autofreq
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set xrange [0.10756415434658143:1.1061068128658338]; set yrange [0.10756415434658143:1.1061068128658338]; set offsets 0, 0, 0, 0
  set arrow from 0.10756415434658143, 0.10756415434658143 to 1.1061068128658338, 1.1061068128658338 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::0::143 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::144::287 using 3:4 with points pt 7 ps 0.3 lc rgb '#80D55E00'
  set origin 0.5, 0.1071428571428571; set size 0.5, 0.8928571428571429
  set title 'fashion-mnist' font ',13'
  set xlabel 'closed form, min(1, β/λ)' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  set logscale x
  set logscale y
  set xtics nomirror out autofreq
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set xrange [0.026301393113569767:1.1886816041730848]; set yrange [0.026301393113569767:1.1886816041730848]; set offsets 0, 0, 0, 0
  set arrow from 0.026301393113569767, 0.026301393113569767 to 1.1886816041730848, 1.1886816041730848 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::288::431 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::432::575 using 3:4 with points pt 7 ps 0.3 lc rgb '#80D55E00'
  set origin 0, 0; set size 1, 0.10714285714285714
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 2 samplen 3
  plot \
    NaN with points ls 1 ps 0.9 title 'diagonal', \
    NaN with points ls 2 ps 0.9 title 'full'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
