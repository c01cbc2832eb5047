# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot gap.gp
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
set style line 6 lw 2 lc rgb '#56B4E9' pt 6 ps 0.8 dt 1
set style line 7 lw 2 lc rgb '#000000' pt 4 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1200,384 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2400,768 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './gap.'.format
  set multiplot
  set origin 0, 0.21875; set size 0.3333333333333333, 0.78125
  set title 'two latents: norms 2, 0.5' font ',13'
  set xlabel 'rotation θ (degrees)' font ',13' offset 0, 0
  unset bmargin
  set ylabel "loss over the full family\047s \050nats\051" font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 20
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [-0.02735950784910978:0.6975829392806675]
  set xrange [-2.6999999999999997:92.7]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 20
  plot \
    './gap.csv' skip 1 every ::0::6 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::0::6 using 3:4 with linespoints ls 1 pointnumber 10, \
    './gap.csv' skip 1 every ::7::27 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::28::34 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::28::34 using 3:4 with linespoints ls 2 pointnumber 10, \
    './gap.csv' skip 1 every ::35::55 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::56::62 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::56::62 using 3:4 with linespoints ls 3 pointnumber 10, \
    './gap.csv' skip 1 every ::63::83 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::84::90 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::84::90 using 3:4 with linespoints ls 4 pointnumber 10, \
    './gap.csv' skip 1 every ::91::111 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::112::118 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::112::118 using 3:4 with linespoints ls 5 pointnumber 10, \
    './gap.csv' skip 1 every ::119::139 using 3:4 with points ls 5 ps 0.35 pt 6
  set origin 0.3333333333333333, 0.21875; set size 0.3333333333333333, 0.78125
  set title 'A ∝ I: norms 1, 1' font ',13'
  set xlabel 'rotation θ (degrees)' font ',13' offset 0, 0
  unset bmargin
  set ylabel "loss over the full family\047s \050nats\051" font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 20
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [-0.02735950784910978:0.6975829392806675]
  set xrange [-2.6999999999999997:92.7]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 20
  plot \
    './gap.csv' skip 1 every ::140::146 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::140::146 using 3:4 with linespoints ls 1 pointnumber 10, \
    './gap.csv' skip 1 every ::147::167 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::168::174 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::168::174 using 3:4 with linespoints ls 2 pointnumber 10, \
    './gap.csv' skip 1 every ::175::195 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::196::202 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::196::202 using 3:4 with linespoints ls 3 pointnumber 10, \
    './gap.csv' skip 1 every ::203::223 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::224::230 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::224::230 using 3:4 with linespoints ls 4 pointnumber 10, \
    './gap.csv' skip 1 every ::231::251 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::252::258 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::252::258 using 3:4 with linespoints ls 5 pointnumber 10, \
    './gap.csv' skip 1 every ::259::279 using 3:4 with points ls 5 ps 0.35 pt 6
  set origin 0.6666666666666666, 0.21875; set size 0.3333333333333333, 0.78125
  set title 'four: norms 2, 0.5, 1.5, 0.75' font ',13'
  set xlabel 'rotation θ (degrees)' font ',13' offset 0, 0
  unset bmargin
  set ylabel "loss over the full family\047s \050nats\051" font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 20
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [-0.02735950784910978:0.6975829392806675]
  set xrange [-2.6999999999999997:92.7]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 20
  plot \
    './gap.csv' skip 1 every ::280::286 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::280::286 using 3:4 with linespoints ls 1 pointnumber 10, \
    './gap.csv' skip 1 every ::287::307 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::308::314 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::308::314 using 3:4 with linespoints ls 2 pointnumber 10, \
    './gap.csv' skip 1 every ::315::335 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::336::342 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::336::342 using 3:4 with linespoints ls 3 pointnumber 10, \
    './gap.csv' skip 1 every ::343::363 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::364::370 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::364::370 using 3:4 with linespoints ls 6 pointnumber 10, \
    './gap.csv' skip 1 every ::371::391 using 3:4 with points ls 6 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::392::398 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::392::398 using 3:4 with linespoints ls 4 pointnumber 10, \
    './gap.csv' skip 1 every ::399::419 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::420::426 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::420::426 using 3:4 with linespoints ls 5 pointnumber 10, \
    './gap.csv' skip 1 every ::427::447 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './gap.csv' skip 1 every ::448::454 using 3:4:(0):5 with xyerrorbars ls 7 pt 0, '' skip 1 every ::448::454 using 3:4 with linespoints ls 7 pointnumber 10, \
    './gap.csv' skip 1 every ::455::475 using 3:4 with points ls 7 ps 0.35 pt 6
  set origin 0, 0; set size 1, 0.21875
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 3 samplen 3 notitle
  plot \
    NaN with linespoints ls 1 title 'mean-field, trained', \
    NaN with linespoints ls 2 title 'isotropic, trained', \
    NaN with linespoints ls 3 title 'full, trained', \
    NaN with linespoints ls 4 title 'mean-field, closed form', \
    NaN with linespoints ls 5 title 'isotropic, closed form', \
    NaN with linespoints ls 6 title 'blocks of 3 and 1, trained', \
    NaN with linespoints ls 7 title 'blocks of 3 and 1, closed form'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
