# Draws ex-post-mixture-fashion-mnist-small.svg and ex-post-mixture-fashion-mnist-small.png from ex-post-mixture-fashion-mnist-small.csv. In their folder: gnuplot ex-post-mixture-fashion-mnist-small.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 1 noborder
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1823,533 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 3646,1066 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'ex-post-mixture-fashion-mnist-small.'.format
  set multiplot
  set label 'β = 0.02' at screen 0.18102029621503016, screen 0.9530956848030019 center
  set label 'β = 0.06' at screen 0.5068568294020844, screen 0.9530956848030019 center
  set label 'β = 0.1' at screen 0.8326933625891387, screen 0.9530956848030019 center
  set label 'β-VAE' at screen 0.013713658804168952, screen 0.7073170731707317 center rotate by 90
  set label 'GRAE≈' at screen 0.013713658804168952, screen 0.24577861163227016 center rotate by 90
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  unset border
  set lmargin at screen 0.021393307734503566; set rmargin at screen 0.3406472846955568
  set tmargin at screen 0.926829268292683; set bmargin at screen 0.4878048780487805
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-fashion-mnist-small-1.png' binary filetype=png with rgbimage
  unset label
  set lmargin at screen 0.3472298409215579; set rmargin at screen 0.6664838178826111
  set tmargin at screen 0.926829268292683; set bmargin at screen 0.4878048780487805
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-fashion-mnist-small-2.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6730663741086121; set rmargin at screen 0.9923203510696654
  set tmargin at screen 0.926829268292683; set bmargin at screen 0.4878048780487805
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-fashion-mnist-small-3.png' binary filetype=png with rgbimage
  set lmargin at screen 0.021393307734503566; set rmargin at screen 0.3406472846955568
  set tmargin at screen 0.4652908067542214; set bmargin at screen 0.02626641651031895
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-fashion-mnist-small-4.png' binary filetype=png with rgbimage
  set lmargin at screen 0.3472298409215579; set rmargin at screen 0.6664838178826111
  set tmargin at screen 0.4652908067542214; set bmargin at screen 0.02626641651031895
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-fashion-mnist-small-5.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6730663741086121; set rmargin at screen 0.9923203510696654
  set tmargin at screen 0.4652908067542214; set bmargin at screen 0.02626641651031895
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-fashion-mnist-small-6.png' binary filetype=png with rgbimage
  unset multiplot
  unset output
}
