# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot angles.gp
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
  if (format eq 'svg') { set terminal svg size 1200,1260 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2400,2520 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './angles.'.format
  set multiplot
  set origin 0, 0.7619047619047619; set size 0.3333333333333333, 0.23809523809523808
  set title 'unequal arcs' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 0.48988458929451184, graph 0 to 0.48988458929451184, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 17.692074360752635, graph 0 to 17.692074360752635, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  set arrow from 15.245341402524687, graph 0 to 15.245341402524687, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  set arrow from 44.76190549693159, graph 0 to 44.76190549693159, graph 1 nohead front lw 2 lc rgb '#CC79A7' dt 2
  set arrow from 3.364014227627031, graph 0 to 3.364014227627031, graph 1 nohead front lw 2 lc rgb '#E69F00' dt 3
  plot \
    './angles.csv' skip 1 every ::0::10 using ($3 + 0.74):4:(0.8800000000000001) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::12::22 using ($3 + 1.6200000000000003):4:(0.8800000000000001) with boxes fs solid 0.9 noborder lc rgb '#D55E00', \
    './angles.csv' skip 1 every ::24::34 using ($3 + 2.5):4:(0.8800000000000001) with boxes fs solid 0.9 noborder lc rgb '#009E73', \
    './angles.csv' skip 1 every ::36::46 using ($3 + 3.3800000000000003):4:(0.8800000000000001) with boxes fs solid 0.9 noborder lc rgb '#CC79A7', \
    './angles.csv' skip 1 every ::48::58 using ($3 + 4.260000000000001):4:(0.8800000000000001) with boxes fs solid 0.9 noborder lc rgb '#E69F00'
  set origin 0.3333333333333333, 0.7619047619047619; set size 0.3333333333333333, 0.23809523809523808
  set title 'equal arcs' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 23.82555338834308, graph 0 to 23.82555338834308, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 26.583984324689407, graph 0 to 26.583984324689407, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  set arrow from 23.028337621443615, graph 0 to 23.028337621443615, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::60::70 using ($3 + 1.0333333333333334):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::72::82 using ($3 + 2.5):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#D55E00', \
    './angles.csv' skip 1 every ::84::94 using ($3 + 3.966666666666667):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0.6666666666666666, 0.7619047619047619; set size 0.3333333333333333, 0.23809523809523808
  set title 'equal arcs, bimodal prior' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 0.29200880788300054, graph 0 to 0.29200880788300054, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 0.27552035523741836, graph 0 to 0.27552035523741836, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  set arrow from 0.2937069889423588, graph 0 to 0.2937069889423588, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::96::106 using ($3 + 1.0333333333333334):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::108::118 using ($3 + 2.5):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#D55E00', \
    './angles.csv' skip 1 every ::120::130 using ($3 + 3.966666666666667):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0, 0.5238095238095238; set size 0.3333333333333333, 0.23809523809523808
  set title 'equal arcs, Laplace prior' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 15.603575076797705, graph 0 to 15.603575076797705, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 18.358714988453798, graph 0 to 18.358714988453798, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  set arrow from 18.183820648613803, graph 0 to 18.183820648613803, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::132::142 using ($3 + 1.0333333333333334):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::144::154 using ($3 + 2.5):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#D55E00', \
    './angles.csv' skip 1 every ::156::166 using ($3 + 3.966666666666667):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0.3333333333333333, 0.5238095238095238; set size 0.3333333333333333, 0.23809523809523808
  set title 'equal arcs, Student-t prior' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 18.737200289597247, graph 0 to 18.737200289597247, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 15.402897256093329, graph 0 to 15.402897256093329, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  set arrow from 21.926551153076204, graph 0 to 21.926551153076204, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::168::178 using ($3 + 1.0333333333333334):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::180::190 using ($3 + 2.5):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#D55E00', \
    './angles.csv' skip 1 every ::192::202 using ($3 + 3.966666666666667):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0.6666666666666666, 0.5238095238095238; set size 0.3333333333333333, 0.23809523809523808
  set title 'equal arcs, 15,000 steps' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 23.498681309684706, graph 0 to 23.498681309684706, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 24.956642616374474, graph 0 to 24.956642616374474, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::204::214 using ($3 + 1.4000000000000001):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::216::226 using ($3 + 3.6):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0, 0.2857142857142857; set size 0.3333333333333333, 0.23809523809523808
  set title 'Laplace prior, 15,000 steps' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 1.2643563910367661, graph 0 to 1.2643563910367661, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 1.5708464540012774, graph 0 to 1.5708464540012774, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::228::238 using ($3 + 1.4000000000000001):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::240::250 using ($3 + 3.6):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0.3333333333333333, 0.2857142857142857; set size 0.3333333333333333, 0.23809523809523808
  set title 'Student-t prior, 15,000 steps' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 7.005497361414321, graph 0 to 7.005497361414321, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 9.645281266787208, graph 0 to 9.645281266787208, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::252::262 using ($3 + 1.4000000000000001):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::264::274 using ($3 + 3.6):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0.6666666666666666, 0.2857142857142857; set size 0.3333333333333333, 0.23809523809523808
  set title 'equal arcs, uniform prior' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 3.022621646109876, graph 0 to 3.022621646109876, graph 1 nohead front lw 2 lc rgb '#56B4E9' dt 4
  plot \
    './angles.csv' skip 1 every ::276::286 using 3:4 with fillsteps fs solid 1 noborder lc rgb '#C056B4E9', '' skip 1 every ::276::286 using 3:4 with steps lw 2 lc rgb '#56B4E9'
  set origin 0, 0.04761904761904767; set size 0.3333333333333333, 0.23809523809523808
  set title 'posterior outside Q' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 34.934471888520804, graph 0 to 34.934471888520804, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 25.016192669133844, graph 0 to 25.016192669133844, graph 1 nohead front lw 2 lc rgb '#D55E00' dt 3
  set arrow from 18.84565584312726, graph 0 to 18.84565584312726, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::288::298 using ($3 + 1.0333333333333334):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::300::310 using ($3 + 2.5):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#D55E00', \
    './angles.csv' skip 1 every ::312::322 using ($3 + 3.966666666666667):4:(1.4666666666666668) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0.3333333333333333, 0.04761904761904767; set size 0.3333333333333333, 0.23809523809523808
  set title 'random network' font ',13'
  set xlabel 'angle to the truth (degrees)' font ',13' offset 0, 0
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
  set xtics nomirror out 10
  set autoscale
  set autoscale xfix
  set offsets graph 0.03, graph 0.03, graph 0.06, 0
  set yrange [-0.48:12.48]
  set xrange [-1.3499999999999999:46.35]
  set offsets 0, 0, 0, 0
  set xtics nomirror out 10
  set yrange [0:12.72]
  set xrange [0:45]
  set ytics nomirror out 5
  set arrow from 28.18952691727175, graph 0 to 28.18952691727175, graph 1 nohead front lw 2 lc rgb '#0072B2' dt 2
  set arrow from 13.502576709903495, graph 0 to 13.502576709903495, graph 1 nohead front lw 2 lc rgb '#009E73' dt 4
  plot \
    './angles.csv' skip 1 every ::324::334 using ($3 + 1.4000000000000001):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#0072B2', \
    './angles.csv' skip 1 every ::336::346 using ($3 + 3.6):4:(2.2) with boxes fs solid 0.9 noborder lc rgb '#009E73'
  set origin 0, 0; set size 1, 0.047619047619047616
  unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid; unset arrow; unset label
  unset logscale; set lmargin 0; set rmargin 0; set tmargin 0; set bmargin 0
  set xrange [0:1]; set yrange [0:1]
  set key center center horizontal Left reverse maxcols 5 samplen 3 notitle
  plot \
    NaN with boxes fs solid 0.9 noborder lc rgb '#0072B2' title 'mean-field', \
    NaN with boxes fs solid 0.9 noborder lc rgb '#D55E00' title 'isotropic', \
    NaN with boxes fs solid 0.9 noborder lc rgb '#009E73' title 'full', \
    NaN with boxes fs solid 0.9 noborder lc rgb '#CC79A7' title 'mean-field at 45°', \
    NaN with boxes fs solid 0.9 noborder lc rgb '#E69F00' title 'learned rotation', \
    NaN with boxes fs solid 0.9 noborder lc rgb '#56B4E9' title 'uniform'
  unset lmargin; unset rmargin; unset tmargin; unset bmargin
  unset multiplot
  unset output
}
