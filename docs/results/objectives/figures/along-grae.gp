# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot along-grae.gp
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
  set output './along-grae.'.format
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
  set yrange [4.835551145021482:23.407218524245266]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae.csv' skip 1 every ::0::4 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae.csv' skip 1 every ::5::9 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae.csv' skip 1 every ::10::14 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae.csv' skip 1 every ::15::19 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae.csv' skip 1 every ::20::24 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae.csv' skip 1 every ::25::29 using 3:4 with linespoints ls 6 pointnumber 10
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
  set yrange [4.835551145021482:23.407218524245266]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae.csv' skip 1 every ::30::34 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::30::34 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae.csv' skip 1 every ::35::49 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::50::54 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::50::54 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae.csv' skip 1 every ::55::69 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::70::74 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::70::74 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae.csv' skip 1 every ::75::89 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::90::94 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::90::94 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae.csv' skip 1 every ::95::109 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::110::114 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::110::114 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae.csv' skip 1 every ::115::129 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::130::134 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::130::134 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae.csv' skip 1 every ::135::149 using 3:4 with points ls 6 ps 0.35 pt 6
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
  set yrange [4.835551145021482:23.407218524245266]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae.csv' skip 1 every ::150::154 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae.csv' skip 1 every ::155::159 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae.csv' skip 1 every ::160::164 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae.csv' skip 1 every ::165::169 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae.csv' skip 1 every ::170::174 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae.csv' skip 1 every ::175::179 using 3:4 with linespoints ls 6 pointnumber 10
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
  set yrange [4.835551145021482:23.407218524245266]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae.csv' skip 1 every ::180::184 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae.csv' skip 1 every ::185::189 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae.csv' skip 1 every ::190::194 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae.csv' skip 1 every ::195::199 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae.csv' skip 1 every ::200::204 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae.csv' skip 1 every ::205::209 using 3:4 with linespoints ls 6 pointnumber 10
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
  set yrange [4.835551145021482:23.407218524245266]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae.csv' skip 1 every ::210::214 using 3:4:(0):5 with xyerrorbars ls 1 pt 0, '' skip 1 every ::210::214 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae.csv' skip 1 every ::215::229 using 3:4 with points ls 1 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::230::234 using 3:4:(0):5 with xyerrorbars ls 2 pt 0, '' skip 1 every ::230::234 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae.csv' skip 1 every ::235::249 using 3:4 with points ls 2 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::250::254 using 3:4:(0):5 with xyerrorbars ls 3 pt 0, '' skip 1 every ::250::254 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae.csv' skip 1 every ::255::269 using 3:4 with points ls 3 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::270::274 using 3:4:(0):5 with xyerrorbars ls 4 pt 0, '' skip 1 every ::270::274 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae.csv' skip 1 every ::275::289 using 3:4 with points ls 4 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::290::294 using 3:4:(0):5 with xyerrorbars ls 5 pt 0, '' skip 1 every ::290::294 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae.csv' skip 1 every ::295::309 using 3:4 with points ls 5 ps 0.35 pt 6, \
    './along-grae.csv' skip 1 every ::310::314 using 3:4:(0):5 with xyerrorbars ls 6 pt 0, '' skip 1 every ::310::314 using 3:4 with linespoints ls 6 pointnumber 10, \
    './along-grae.csv' skip 1 every ::315::329 using 3:4 with points ls 6 ps 0.35 pt 6
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
  set yrange [4.835551145021482:23.407218524245266]
  set xrange [0.73:10.27]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 2
  plot \
    './along-grae.csv' skip 1 every ::330::334 using 3:4 with linespoints ls 1 pointnumber 10, \
    './along-grae.csv' skip 1 every ::335::339 using 3:4 with linespoints ls 2 pointnumber 10, \
    './along-grae.csv' skip 1 every ::340::344 using 3:4 with linespoints ls 3 pointnumber 10, \
    './along-grae.csv' skip 1 every ::345::349 using 3:4 with linespoints ls 4 pointnumber 10, \
    './along-grae.csv' skip 1 every ::350::354 using 3:4 with linespoints ls 5 pointnumber 10, \
    './along-grae.csv' skip 1 every ::355::359 using 3:4 with linespoints ls 6 pointnumber 10
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
