# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot mcc.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 0.85 noborder
set boxwidth 0.7
set style line 1 lw 2 lc rgb '#0072B2' pt 7 ps 0.8 dt 1
set style line 2 lw 2 lc rgb '#D55E00' pt 5 ps 0.8 dt 1
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1200,636 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2400,1272 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './mcc.'.format
  set multiplot
  set origin 0, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title '2 latents' font ',13'
  set xlabel 'MCC with the true latents' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'runs' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 0.1
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.2:5.2]
  set xrange [0.485:1.015]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.1
  set yrange [0:5.300000000000001]
  set xrange [0.5:1]
  set ytics nomirror out 1
  set arrow from 0.9868648933756737, graph 0 to 0.9868648933756737, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 0.9684079653031223, graph 0 to 0.9684079653031223, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  plot \
    './mcc.csv' skip 1 every ::0::21 using ($3 + 0.007000000000000006):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './mcc.csv' skip 1 every ::23::44 using ($3 + 0.018000000000000016):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#D55E00'
  set origin 0.3333333333333333, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title '5 latents' font ',13'
  set xlabel 'MCC with the true latents' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'runs' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 0.1
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.2:5.2]
  set xrange [0.485:1.015]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.1
  set yrange [0:5.300000000000001]
  set xrange [0.5:1]
  set ytics nomirror out 1
  set arrow from 0.9532577357649406, graph 0 to 0.9532577357649406, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 0.6513787292744504, graph 0 to 0.6513787292744504, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  plot \
    './mcc.csv' skip 1 every ::46::67 using ($3 + 0.007000000000000006):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './mcc.csv' skip 1 every ::69::90 using ($3 + 0.018000000000000016):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#D55E00'
  set origin 0.6666666666666666, 0.5283018867924528; set size 0.3333333333333333, 0.4716981132075472
  set title '2 latents, second mixing' font ',13'
  set xlabel 'MCC with the true latents' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'runs' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 0.1
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.2:5.2]
  set xrange [0.485:1.015]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.1
  set yrange [0:5.300000000000001]
  set xrange [0.5:1]
  set ytics nomirror out 1
  set arrow from 0.9654692244741754, graph 0 to 0.9654692244741754, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 0.8872986187517238, graph 0 to 0.8872986187517238, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  plot \
    './mcc.csv' skip 1 every ::92::113 using ($3 + 0.007000000000000006):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './mcc.csv' skip 1 every ::115::136 using ($3 + 0.018000000000000016):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#D55E00'
  set origin 0, 0.05660377358490565; set size 0.3333333333333333, 0.4716981132075472
  set title '2 latents, third mixing' font ',13'
  set xlabel 'MCC with the true latents' font ',13' offset 0, 0
  unset bmargin
  set ylabel 'runs' font ',13'
  unset key
  unset arrow
  unset label
  set border 3 lc rgb '#444444'
  set grid ytics lc rgb '#dddddd' lt 1 lw 1
  set ytics nomirror out autofreq
  unset logscale x
  unset logscale y
  set xtics nomirror out 0.1
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.2:5.2]
  set xrange [0.485:1.015]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 0.1
  set yrange [0:5.300000000000001]
  set xrange [0.5:1]
  set ytics nomirror out 1
  set arrow from 0.893302895533663, graph 0 to 0.893302895533663, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 0.809350883299675, graph 0 to 0.809350883299675, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  plot \
    './mcc.csv' skip 1 every ::138::159 using ($3 + 0.007000000000000006):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './mcc.csv' skip 1 every ::161::182 using ($3 + 0.018000000000000016):4:(0.01100000000000001) with boxes fs solid 0.9 noborder lc rgb '#D55E00'
  set origin 0, 0; set size 1, 0.05660377358490566
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 2 samplen 3 notitle
  plot \
    NaN with boxes fs solid 0.9 noborder lc rgb '#0072B2' title 'conditional', \
    NaN with boxes fs solid 0.9 noborder lc rgb '#D55E00' title 'none'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
