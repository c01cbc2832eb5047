# Draws reconstructions-mnist.svg and reconstructions-mnist.png from reconstructions-mnist.csv. In their folder: gnuplot reconstructions-mnist.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 1 noborder
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 3605,765 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 7210,1530 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'reconstructions-mnist.'.format
  set multiplot
  set label 'β = 0.02' at screen 0.09153952843273232, screen 0.9673202614379085 center
  set label 'β = 0.06' at screen 0.2563106796116505, screen 0.9673202614379085 center
  set label 'β = 0.1' at screen 0.42108183079056866, screen 0.9673202614379085 center
  set label 'β = 0.4' at screen 0.5858529819694869, screen 0.9673202614379085 center
  set label 'β = 0.6' at screen 0.750624133148405, screen 0.9673202614379085 center
  set label 'β = 0.8' at screen 0.9153952843273232, screen 0.9673202614379085 center
  set label 'β-VAE' at screen 0.006934812760055479, screen 0.7202614379084967 center rotate by 90
  set label 'GRAE≈' at screen 0.006934812760055479, screen 0.24705882352941178 center rotate by 90
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  unset border
  set lmargin at screen 0.010818307905686546; set rmargin at screen 0.17226074895977808
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-1.png' binary filetype=png with rgbimage
  unset label
  set lmargin at screen 0.17558945908460472; set rmargin at screen 0.33703190013869627
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-2.png' binary filetype=png with rgbimage
  set lmargin at screen 0.3403606102635229; set rmargin at screen 0.5018030513176144
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-3.png' binary filetype=png with rgbimage
  set lmargin at screen 0.5051317614424411; set rmargin at screen 0.6665742024965325
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-4.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6699029126213593; set rmargin at screen 0.8313453536754508
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-5.png' binary filetype=png with rgbimage
  set lmargin at screen 0.8346740638002774; set rmargin at screen 0.996116504854369
  set tmargin at screen 0.9490196078431372; set bmargin at screen 0.4915032679738562
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-6.png' binary filetype=png with rgbimage
  set lmargin at screen 0.010818307905686546; set rmargin at screen 0.17226074895977808
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-7.png' binary filetype=png with rgbimage
  set lmargin at screen 0.17558945908460472; set rmargin at screen 0.33703190013869627
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-8.png' binary filetype=png with rgbimage
  set lmargin at screen 0.3403606102635229; set rmargin at screen 0.5018030513176144
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-9.png' binary filetype=png with rgbimage
  set lmargin at screen 0.5051317614424411; set rmargin at screen 0.6665742024965325
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-10.png' binary filetype=png with rgbimage
  set lmargin at screen 0.6699029126213593; set rmargin at screen 0.8313453536754508
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-11.png' binary filetype=png with rgbimage
  set lmargin at screen 0.8346740638002774; set rmargin at screen 0.996116504854369
  set tmargin at screen 0.47581699346405226; set bmargin at screen 0.018300653594771243
  set xrange [-0.5:581.5]; set yrange [-0.5:349.5]
  plot 'reconstructions-mnist-12.png' binary filetype=png with rgbimage
  unset multiplot
  unset output
}
