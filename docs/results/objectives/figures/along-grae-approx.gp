# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot along-grae-approx.gp
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
  set output './along-grae-approx.'.format
  set multiplot
  set origin 0, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'β = 0.02' font ',13'
  set xlabel 'epoch' font ',13' offset 0, 0
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
  set xtics nomirror out 2
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [4.643506362043586:28.28498209394636]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae-approx.csv' skip 1 every ::0::4 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::0::4 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::5::19 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::20::24 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::20::24 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::25::39 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::40::44 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::40::44 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::45::59 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::60::64 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::60::64 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::65::79 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::80::84 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::80::84 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::85::99 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::100::104 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::100::104 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::105::119 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0.3333333333333333, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'β = 0.06' font ',13'
  set xlabel 'epoch' font ',13' offset 0, 0
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
  set xtics nomirror out 2
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [4.643506362043586:28.28498209394636]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae-approx.csv' skip 1 every ::120::124 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::120::124 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::125::139 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::140::144 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::140::144 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::145::159 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::160::164 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::160::164 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::165::179 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::180::184 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::180::184 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::185::199 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::200::204 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::200::204 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::205::219 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::220::224 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::220::224 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::225::239 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0.6666666666666666, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title 'β = 0.1' font ',13'
  set xlabel 'epoch' font ',13' offset 0, 0
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
  set xtics nomirror out 2
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [4.643506362043586:28.28498209394636]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae-approx.csv' skip 1 every ::240::244 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::240::244 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::245::259 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::260::264 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::260::264 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::265::279 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::280::284 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::280::284 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::285::299 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::300::304 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::300::304 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::305::319 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::320::324 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::320::324 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::325::339 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::340::344 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::340::344 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::345::359 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0, 0.05660377358490565; set size 0.3333333333333333, 0.4716981132075472
  set title 'β = 0.4' font ',13'
  set xlabel 'epoch' font ',13' offset 0, 0
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
  set xtics nomirror out 2
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [4.643506362043586:28.28498209394636]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae-approx.csv' skip 1 every ::360::364 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::360::364 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::365::379 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::380::384 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::380::384 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::385::399 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::400::404 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::400::404 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::405::419 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::420::424 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::420::424 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::425::439 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::440::444 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::440::444 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::445::459 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::460::464 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::460::464 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::465::479 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0.3333333333333333, 0.05660377358490565; set size 0.3333333333333333, 0.4716981132075472
  set title 'β = 0.6' font ',13'
  set xlabel 'epoch' font ',13' offset 0, 0
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
  set xtics nomirror out 2
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [4.643506362043586:28.28498209394636]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae-approx.csv' skip 1 every ::480::484 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::480::484 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::485::499 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::500::504 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::500::504 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::505::519 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::520::524 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::520::524 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::525::539 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::540::544 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::540::544 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::545::559 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::560::564 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::560::564 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::565::579 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::580::584 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::580::584 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::585::599 using 3:4 with points ls 6 ps 0.35 pt 6
  set origin 0.6666666666666666, 0.05660377358490565; set size 0.3333333333333333, 0.4716981132075472
  set title 'β = 0.8' font ',13'
  set xlabel 'epoch' font ',13' offset 0, 0
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
  set xtics nomirror out 2
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, 0, 0
  set yrange [4.643506362043586:28.28498209394636]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae-approx.csv' skip 1 every ::600::604 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::600::604 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::605::619 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::620::624 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::620::624 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::625::639 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::640::644 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::640::644 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::645::659 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::660::664 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::660::664 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::665::679 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::680::684 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::680::684 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::685::699 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae-approx.csv' skip 1 every ::700::704 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::700::704 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae-approx.csv' skip 1 every ::705::719 using 3:4 with points ls 6 ps 0.35 pt 6
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
