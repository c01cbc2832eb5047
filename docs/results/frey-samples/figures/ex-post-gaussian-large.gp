# Draws ex-post-gaussian-large.svg and ex-post-gaussian-large.png from ex-post-gaussian-large.csv. In their folder: gnuplot ex-post-gaussian-large.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 1 noborder
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1343,533 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2686,1066 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'ex-post-gaussian-large.'.format
  set multiplot
  set label 'β = 0.4' at screen 0.18615040953090098, screen 0.9530956848030019 center
  set label 'β = 0.6' at screen 0.509307520476545, screen 0.9530956848030019 center
  set label 'β = 0.8' at screen 0.8324646314221892, screen 0.9530956848030019 center
  set label 'β-VAE' at screen 0.018615040953090096, screen 0.7073170731707317 center rotate by 90
  set label 'GRAE≈' at screen 0.018615040953090096, screen 0.24577861163227016 center rotate by 90
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  unset border
  set lmargin at screen 0.029039463886820552; set rmargin at screen 0.3432613551749814
  set tmargin at screen 0.926829268292683; set bmargin at screen 0.4878048780487805
  set xrange [-0.5:421.5]; set yrange [-0.5:233.5]
  plot 'ex-post-gaussian-large-1.png' binary filetype=png with rgbimage
  unset label
  set lmargin at screen 0.35219657483246464; set rmargin at screen 0.6664184661206255
  set tmargin at screen 0.926829268292683; set bmargin at screen 0.4878048780487805
  set xrange [-0.5:421.5]; set yrange [-0.5:233.5]
  plot 'ex-post-gaussian-large-2.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6753536857781087; set rmargin at screen 0.9895755770662695
  set tmargin at screen 0.926829268292683; set bmargin at screen 0.4878048780487805
  set xrange [-0.5:421.5]; set yrange [-0.5:233.5]
  plot 'ex-post-gaussian-large-3.png' binary filetype=png with rgbimage
  set lmargin at screen 0.029039463886820552; set rmargin at screen 0.3432613551749814
  set tmargin at screen 0.4652908067542214; set bmargin at screen 0.02626641651031895
  set xrange [-0.5:421.5]; set yrange [-0.5:233.5]
  plot 'ex-post-gaussian-large-4.png' binary filetype=png with rgbimage
  set lmargin at screen 0.35219657483246464; set rmargin at screen 0.6664184661206255
  set tmargin at screen 0.4652908067542214; set bmargin at screen 0.02626641651031895
  set xrange [-0.5:421.5]; set yrange [-0.5:233.5]
  plot 'ex-post-gaussian-large-5.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6753536857781087; set rmargin at screen 0.9895755770662695
  set tmargin at screen 0.4652908067542214; set bmargin at screen 0.02626641651031895
  set xrange [-0.5:421.5]; set yrange [-0.5:233.5]
  plot 'ex-post-gaussian-large-6.png' binary filetype=png with rgbimage
  unset multiplot
  unset output
}
