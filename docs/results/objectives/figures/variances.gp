# Draws variances.svg and variances.png from variances.csv. In their folder: gnuplot variances.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 0.85 noborder
set boxwidth 0.7
set style line 1 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1200,600 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2400,1200 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'variances.'.format
  set multiplot
  set origin 0, 0.5; set size 0.3333333333333333, 0.5
  set title 'β = 0.02' font ',13'
  set xlabel 'optimal variance' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned variance' font ',13'
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
  set xrange [0.0009057793329392669:0.027131176440197607]; set yrange [0.0009057793329392669:0.027131176440197607]; set offsets 0, 0, 0, 0
  set arrow from 0.0009057793329392669, 0.0009057793329392669 to 0.027131176440197607, 0.027131176440197607 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::0::1999 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::2000::2047 using 3:4 with points pt 7 ps 1.3 lc rgb 'white', '' skip 1 every ::2000::2047 using 3:4 with points pt 7 ps 0.9 lc rgb '#0072B2'
  set origin 0.3333333333333333, 0.5; set size 0.3333333333333333, 0.5
  set title 'β = 0.06' font ',13'
  set xlabel 'optimal variance' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned variance' font ',13'
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
  set xrange [0.0012665004046730332:0.9791263030193964]; set yrange [0.0012665004046730332:0.9791263030193964]; set offsets 0, 0, 0, 0
  set arrow from 0.0012665004046730332, 0.0012665004046730332 to 0.9791263030193964, 0.9791263030193964 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::2048::4047 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::4048::4095 using 3:4 with points pt 7 ps 1.3 lc rgb 'white', '' skip 1 every ::4048::4095 using 3:4 with points pt 7 ps 0.9 lc rgb '#0072B2'
  set origin 0.6666666666666666, 0.5; set size 0.3333333333333333, 0.5
  set title 'β = 0.1' font ',13'
  set xlabel 'optimal variance' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned variance' font ',13'
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
  set xrange [0.0018896373570933427:1.3745074094769831]; set yrange [0.0018896373570933427:1.3745074094769831]; set offsets 0, 0, 0, 0
  set arrow from 0.0018896373570933427, 0.0018896373570933427 to 1.3745074094769831, 1.3745074094769831 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::4096::6095 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::6096::6143 using 3:4 with points pt 7 ps 1.3 lc rgb 'white', '' skip 1 every ::6096::6143 using 3:4 with points pt 7 ps 0.9 lc rgb '#0072B2'
  set origin 0, 0; set size 0.3333333333333333, 0.5
  set title 'β = 0.4' font ',13'
  set xlabel 'optimal variance' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned variance' font ',13'
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
  set xrange [0.0062313340678313385:1.30157771248713]; set yrange [0.0062313340678313385:1.30157771248713]; set offsets 0, 0, 0, 0
  set arrow from 0.0062313340678313385, 0.0062313340678313385 to 1.30157771248713, 1.30157771248713 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::6144::8143 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::8144::8191 using 3:4 with points pt 7 ps 1.3 lc rgb 'white', '' skip 1 every ::8144::8191 using 3:4 with points pt 7 ps 0.9 lc rgb '#0072B2'
  set origin 0.3333333333333333, 0; set size 0.3333333333333333, 0.5
  set title 'β = 0.6' font ',13'
  set xlabel 'optimal variance' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned variance' font ',13'
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
  set xrange [0.0074112588658369356:1.2749139335736626]; set yrange [0.0074112588658369356:1.2749139335736626]; set offsets 0, 0, 0, 0
  set arrow from 0.0074112588658369356, 0.0074112588658369356 to 1.2749139335736626, 1.2749139335736626 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::8192::10191 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::10192::10239 using 3:4 with points pt 7 ps 1.3 lc rgb 'white', '' skip 1 every ::10192::10239 using 3:4 with points pt 7 ps 0.9 lc rgb '#0072B2'
  set origin 0.6666666666666666, 0; set size 0.3333333333333333, 0.5
  set title 'β = 0.8' font ',13'
  set xlabel 'optimal variance' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'learned variance' font ',13'
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
  set xrange [0.011727877044660613:1.2395454829587491]; set yrange [0.011727877044660613:1.2395454829587491]; set offsets 0, 0, 0, 0
  set arrow from 0.011727877044660613, 0.011727877044660613 to 1.2395454829587491, 1.2395454829587491 nohead front lw 1.5 lc rgb '#222222' dt 2
  plot \
    'variances.csv' skip 1 every ::10240::12239 using 3:4 with points pt 7 ps 0.3 lc rgb '#800072B2', \
    'variances.csv' skip 1 every ::12240::12287 using 3:4 with points pt 7 ps 1.3 lc rgb 'white', '' skip 1 every ::12240::12287 using 3:4 with points pt 7 ps 0.9 lc rgb '#0072B2'
  unset multiplot
  unset output
}
