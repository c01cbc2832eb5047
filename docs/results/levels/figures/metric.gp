# Draws an SVG and a PNG of this name from the CSV beside it. In their folder: gnuplot metric.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 1 noborder
set palette defined (0 '#440154', 1 '#472d7b', 2 '#3b528b', 3 '#2c728e', 4 '#21918c', 5 '#28ae80', 6 '#5ec962', 7 '#addc30', 8 '#fde725')
set cbrange [0:1]
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 656,313 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 1312,626 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output './metric.'.format
  set multiplot
  set label 'one level' at screen 0.21951219512195122, screen 0.9201277955271565 center
  set label 'two levels' at screen 0.6341463414634146, screen 0.9201277955271565 center
  set lmargin at screen 0.021341463414634148; set rmargin at screen 0.4176829268292683
  set tmargin at screen 0.8753993610223643; set bmargin at screen 0.04472843450479233
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  plot './metric.csv' skip 1 every ::0::255 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  unset label
  set lmargin at screen 0.43597560975609756; set rmargin at screen 0.8323170731707317
  set tmargin at screen 0.8753993610223643; set bmargin at screen 0.04472843450479233
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  set xrange [0.5:16.5]; set yrange [16.5:0.5]
  set border 15 lw 0.5 lc rgb '#444444'
  set arrow from 12.5, graph 0 to 12.5, graph 1 nohead front lw 1.5 lc rgb 'white'
  set arrow from graph 0, first 12.5 to graph 1, first 12.5 nohead front lw 1.5 lc rgb 'white'
  set colorbox vertical user origin screen 0.8597560975609756, screen 0.04472843450479233 size screen 0.024390243902439025, screen 0.8306709265175719
  set cbtics scale 0.5 font ',11'
  set cblabel ''
  plot './metric.csv' skip 1 every ::256::511 using ($6 == 1 ? $3 : NaN):4:(0.51):(0.51):5 with boxxyerror fs solid 1 noborder lc palette
  unset multiplot
  unset output
}
