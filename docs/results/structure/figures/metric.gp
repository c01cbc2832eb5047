# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot metric.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 1 noborder
set palette defined (0 '#440154', 1 '#472d7b', 2 '#3b528b', 3 '#2c728e', 4 '#21918c', 5 '#28ae80', 6 '#5ec962', 7 '#addc30', 8 '#fde725')
set cbrange [0:1]
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 947,365 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 1894,730 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './metric.'.format
  set multiplot
  set label 'mean-field' at screen 0.12038014783526928, screen 0.9315068493150684 center
  set label 'blocks of 4' at screen 0.2914466737064414, screen 0.9315068493150684 center
  set label 'full' at screen 0.4625131995776135, screen 0.9315068493150684 center
  set label 'GRAE≈' at screen 0.6335797254487856, screen 0.9315068493150684 center
  set label 'GRAE' at screen 0.8046462513199577, screen 0.9315068493150684 center
  set label 'β = 0.06' at screen 0.026399155227032733, screen 0.6876712328767123 center rotate by 90
  set label 'β = 0.6' at screen 0.026399155227032733, screen 0.24383561643835616 center rotate by 90
  set lmargin at screen 0.04118268215417107; set rmargin at screen 0.19957761351636746
  set tmargin at screen 0.8931506849315068; set bmargin at screen 0.4821917808219178
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::0::255 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  unset label
  set lmargin at screen 0.2122492080253432; set rmargin at screen 0.3706441393875396
  set tmargin at screen 0.8931506849315068; set bmargin at screen 0.4821917808219178
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::256::511 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  set lmargin at screen 0.3833157338965153; set rmargin at screen 0.5417106652587117
  set tmargin at screen 0.8931506849315068; set bmargin at screen 0.4821917808219178
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::512::767 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  set lmargin at screen 0.5543822597676874; set rmargin at screen 0.7127771911298838
  set tmargin at screen 0.8931506849315068; set bmargin at screen 0.4821917808219178
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::768::1023 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  set lmargin at screen 0.7254487856388595; set rmargin at screen 0.883843717001056
  set tmargin at screen 0.8931506849315068; set bmargin at screen 0.4821917808219178
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::1024::1279 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  set lmargin at screen 0.04118268215417107; set rmargin at screen 0.19957761351636746
  set tmargin at screen 0.44931506849315067; set bmargin at screen 0.038356164383561646
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::1280::1535 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette, \
    '' skip 1 every ::1280::1535 using ($6 == 0 ? $3 : NaN):4:(0.51):(0.51) with boxxyerror fs solid 1 noborder lc rgb '#d9d9d9'
  set lmargin at screen 0.2122492080253432; set rmargin at screen 0.3706441393875396
  set tmargin at screen 0.44931506849315067; set bmargin at screen 0.038356164383561646
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::1536::1791 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette, \
    '' skip 1 every ::1536::1791 using ($6 == 0 ? $3 : NaN):4:(0.51):(0.51) with boxxyerror fs solid 1 noborder lc rgb '#d9d9d9'
  set lmargin at screen 0.3833157338965153; set rmargin at screen 0.5417106652587117
  set tmargin at screen 0.44931506849315067; set bmargin at screen 0.038356164383561646
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::1792::2047 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette, \
    '' skip 1 every ::1792::2047 using ($6 == 0 ? $3 : NaN):4:(0.51):(0.51) with boxxyerror fs solid 1 noborder lc rgb '#d9d9d9'
  set lmargin at screen 0.5543822597676874; set rmargin at screen 0.7127771911298838
  set tmargin at screen 0.44931506849315067; set bmargin at screen 0.038356164383561646
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::2048::2303 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette, \
    '' skip 1 every ::2048::2303 using ($6 == 0 ? $3 : NaN):4:(0.51):(0.51) with boxxyerror fs solid 1 noborder lc rgb '#d9d9d9'
  set lmargin at screen 0.7254487856388595; set rmargin at screen 0.883843717001056
  set tmargin at screen 0.44931506849315067; set bmargin at screen 0.038356164383561646
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 4.5, graph 0 to 4.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 4.5 to graph 1, first 4.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 8.5, graph 0 to 8.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 8.5 to graph 1, first 8.5 nohead front lw 1.5 lc rgb 'white'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  set colorbox vertical user origin screen 0.9028511087645196, screen 0.0547945205479452 size screen 0.01689545934530095, screen 0.821917808219178
  set cbtics scale 0.5 font ',11'
  set cblabel ''
  plot './metric.csv' skip 1 every ::2304::2559 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  unset multiplot
  unset output
}
