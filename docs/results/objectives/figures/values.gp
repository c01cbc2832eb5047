# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot values.gp
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
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1200,636 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2400,1272 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './values.'.format
  set multiplot
  set origin 0, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'trained by β-VAE, diagonal' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'nats per image, without the constant' font ',12'
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
  set yrange [4.616073737798234:26.09040697140323]
  set xrange [-0.0034000000000000002:0.8234]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.2
  plot \
    './values.csv' skip 1 every ::0::5 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::0::5 using 3:4 with linespoints ls 1 pointnumber 10, \
    './values.csv' skip 1 every ::6::23 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::24::29 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::24::29 using 3:4 with linespoints ls 2 pointnumber 10, \
    './values.csv' skip 1 every ::30::47 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::48::53 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::48::53 using 3:4 with linespoints ls 3 pointnumber 10, \
    './values.csv' skip 1 every ::54::71 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::72::77 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::72::77 using 3:4 with linespoints ls 4 pointnumber 10, \
    './values.csv' skip 1 every ::78::95 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::96::101 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::96::101 using 3:4 with linespoints ls 5 pointnumber 10, \
    './values.csv' skip 1 every ::102::119 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::120::125 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::120::125 using 3:4 with linespoints ls 6 pointnumber 10, \
    './values.csv' skip 1 every ::126::143 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0.3333333333333333, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'trained by β-VAE, full' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'nats per image, without the constant' font ',12'
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
  set yrange [4.616073737798234:26.09040697140323]
  set xrange [-0.0034000000000000002:0.8234]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.2
  plot \
    './values.csv' skip 1 every ::144::149 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::144::149 using 3:4 with linespoints ls 1 pointnumber 10, \
    './values.csv' skip 1 every ::150::167 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::168::173 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::168::173 using 3:4 with linespoints ls 2 pointnumber 10, \
    './values.csv' skip 1 every ::174::191 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::192::197 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::192::197 using 3:4 with linespoints ls 3 pointnumber 10, \
    './values.csv' skip 1 every ::198::215 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::216::221 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::216::221 using 3:4 with linespoints ls 4 pointnumber 10, \
    './values.csv' skip 1 every ::222::239 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::240::245 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::240::245 using 3:4 with linespoints ls 5 pointnumber 10, \
    './values.csv' skip 1 every ::246::263 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::264::269 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::264::269 using 3:4 with linespoints ls 6 pointnumber 10, \
    './values.csv' skip 1 every ::270::287 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0.6666666666666666, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'trained by GRAE≈' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'nats per image, without the constant' font ',12'
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
  set yrange [4.616073737798234:26.09040697140323]
  set xrange [-0.0034000000000000002:0.8234]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.2
  plot \
    './values.csv' skip 1 every ::288::293 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::288::293 using 3:4 with linespoints ls 1 pointnumber 10, \
    './values.csv' skip 1 every ::294::311 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::312::317 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::312::317 using 3:4 with linespoints ls 2 pointnumber 10, \
    './values.csv' skip 1 every ::318::335 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::336::341 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::336::341 using 3:4 with linespoints ls 3 pointnumber 10, \
    './values.csv' skip 1 every ::342::359 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::360::365 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::360::365 using 3:4 with linespoints ls 4 pointnumber 10, \
    './values.csv' skip 1 every ::366::383 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::384::389 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::384::389 using 3:4 with linespoints ls 5 pointnumber 10, \
    './values.csv' skip 1 every ::390::407 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::408::413 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::408::413 using 3:4 with linespoints ls 6 pointnumber 10, \
    './values.csv' skip 1 every ::414::431 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0, 0.05660377358490565; set size 0.3333333333333333, 0.4716981132075472
  set title 'trained by GRAE≈, a column per sample' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'nats per image, without the constant' font ',12'
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
  set yrange [4.616073737798234:26.09040697140323]
  set xrange [-0.0034000000000000002:0.8234]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.2
  plot \
    './values.csv' skip 1 every ::432::437 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::432::437 using 3:4 with linespoints ls 1 pointnumber 10, \
    './values.csv' skip 1 every ::438::455 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::456::461 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::456::461 using 3:4 with linespoints ls 2 pointnumber 10, \
    './values.csv' skip 1 every ::462::479 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::480::485 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::480::485 using 3:4 with linespoints ls 3 pointnumber 10, \
    './values.csv' skip 1 every ::486::503 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::504::509 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::504::509 using 3:4 with linespoints ls 4 pointnumber 10, \
    './values.csv' skip 1 every ::510::527 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::528::533 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::528::533 using 3:4 with linespoints ls 5 pointnumber 10, \
    './values.csv' skip 1 every ::534::551 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::552::557 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::552::557 using 3:4 with linespoints ls 6 pointnumber 10, \
    './values.csv' skip 1 every ::558::575 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0.3333333333333333, 0.05660377358490565; set size 0.3333333333333333, 0.4716981132075472
  set title 'trained by GRAE' font ',13'
  set xlabel 'β' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'nats per image, without the constant' font ',12'
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
  set yrange [4.616073737798234:26.09040697140323]
  set xrange [-0.0034000000000000002:0.8234]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.2
  plot \
    './values.csv' skip 1 every ::576::581 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::576::581 using 3:4 with linespoints ls 1 pointnumber 10, \
    './values.csv' skip 1 every ::582::587 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::588::593 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::588::593 using 3:4 with linespoints ls 2 pointnumber 10, \
    './values.csv' skip 1 every ::594::599 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::600::605 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::600::605 using 3:4 with linespoints ls 3 pointnumber 10, \
    './values.csv' skip 1 every ::606::611 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::612::617 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::612::617 using 3:4 with linespoints ls 4 pointnumber 10, \
    './values.csv' skip 1 every ::618::623 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::624::629 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::624::629 using 3:4 with linespoints ls 5 pointnumber 10, \
    './values.csv' skip 1 every ::630::635 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './values.csv' skip 1 every ::636::641 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::636::641 using 3:4 with linespoints ls 6 pointnumber 10, \
    './values.csv' skip 1 every ::642::647 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0, 0; set size 1, 0.05660377358490566
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 6 samplen 3 notitle
  plot \
    NaN with linespoints ls 1 title 'L_β', \
    NaN with linespoints ls 2 title 'L_Taylor', \
    NaN with linespoints ls 3 title 'L_GRAE', \
    NaN with linespoints ls 4 title 'diagonal bound', \
    NaN with linespoints ls 5 title 'isotropic bound', \
    NaN with linespoints ls 6 title 'GRAE≈'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
