# Draws reconstructions-small.svg and reconstructions-small.png from reconstructions-small.csv. In their folder: gnuplot reconstructions-small.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 1 noborder
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 1343,765 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 2686,1530 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'reconstructions-small.'.format
  set multiplot
  set label 'β = 0.02' at screen 0.18615040953090098, screen 0.9673202614379085 center
  set label 'β = 0.06' at screen 0.509307520476545, screen 0.9673202614379085 center
  set label 'β = 0.1' at screen 0.8324646314221892, screen 0.9673202614379085 center
  set label 'β-VAE' at screen 0.018615040953090096, screen 0.7202614379084967 center rotate by 90
  set label 'GRAE≈' at screen 0.018615040953090096, screen 0.24705882352941178 center rotate by 90
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  unset border
  set lmargin at screen 0.029039463886820552; set rmargin at screen 0.3432613551749814
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:421.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-small-1.png' binary filetype=png with rgbimage
  unset label
  set lmargin at screen 0.35219657483246464; set rmargin at screen 0.6664184661206255
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:421.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-small-2.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6753536857781087; set rmargin at screen 0.9895755770662695
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:421.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-small-3.png' binary filetype=png with rgbimage
  set lmargin at screen 0.029039463886820552; set rmargin at screen 0.3432613551749814
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:421.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-small-4.png' binary filetype=png with rgbimage
  set lmargin at screen 0.35219657483246464; set rmargin at screen 0.6664184661206255
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:421.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-small-5.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6753536857781087; set rmargin at screen 0.9895755770662695
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:421.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-small-6.png' binary filetype=png with rgbimage
  unset multiplot
  unset output
}
