# Draws ex-post-mixture.svg and ex-post-mixture.png from ex-post-mixture.csv. In their folder: gnuplot ex-post-mixture.gp
set encoding utf8
set datafile separator comma
set datafile missing NaN
set style fill solid 1 noborder
do for [format in 'svg png'] {
  if (format eq 'svg') { set terminal svg size 635,1738 noenhanced font 'Arial,13' background 'white' }
  else { set terminal pngcairo size 1270,3476 noenhanced font 'Liberation Sans,13' fontscale 2 linewidth 2 pointscale 2 }
  set output 'ex-post-mixture.'.format
  set multiplot
  set label 'β-VAE' at screen 0.03937007874015748, screen 0.9246260069044879 center rotate by 90
  set label 'GRAE≈' at screen 0.03937007874015748, screen 0.783084004602992 center rotate by 90
  set label 'constant variance' at screen 0.03937007874015748, screen 0.6415420023014959 center rotate by 90
  set label 'RAE-L2' at screen 0.03937007874015748, screen 0.5 center rotate by 90
  set label 'RAE-GP' at screen 0.03937007874015748, screen 0.358457997698504 center rotate by 90
  set label 'WAE-MMD' at screen 0.03937007874015748, screen 0.21691599539700807 center rotate by 90
  set label 'GRAE' at screen 0.03937007874015748, screen 0.07537399309551208 center rotate by 90
  unset key; unset title; unset xlabel; unset ylabel; unset tics; unset colorbox; unset arrow
  unset border
  set lmargin at screen 0.06141732283464567; set rmargin at screen 0.9779527559055118
  set tmargin at screen 0.9919447640966629; set bmargin at screen 0.857307249712313
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-1.png' binary filetype=png with rgbimage
  unset label
  set lmargin at screen 0.06141732283464567; set rmargin at screen 0.9779527559055118
  set tmargin at screen 0.8504027617951668; set bmargin at screen 0.715765247410817
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-2.png' binary filetype=png with rgbimage
  set lmargin at screen 0.06141732283464567; set rmargin at screen 0.9779527559055118
  set tmargin at screen 0.7088607594936709; set bmargin at screen 0.5742232451093211
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-3.png' binary filetype=png with rgbimage
  set lmargin at screen 0.06141732283464567; set rmargin at screen 0.9779527559055118
  set tmargin at screen 0.567318757192175; set bmargin at screen 0.4326812428078251
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-4.png' binary filetype=png with rgbimage
  set lmargin at screen 0.06141732283464567; set rmargin at screen 0.9779527559055118
  set tmargin at screen 0.42577675489067895; set bmargin at screen 0.2911392405063291
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-5.png' binary filetype=png with rgbimage
  set lmargin at screen 0.06141732283464567; set rmargin at screen 0.9779527559055118
  set tmargin at screen 0.28423475258918296; set bmargin at screen 0.14959723820483314
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-6.png' binary filetype=png with rgbimage
  set lmargin at screen 0.06141732283464567; set rmargin at screen 0.9779527559055118
  set tmargin at screen 0.142692750287687; set bmargin at screen 0.00805523590333717
  set xrange [-0.5:581.5]; set yrange [-0.5:233.5]
  plot 'ex-post-mixture-7.png' binary filetype=png with rgbimage
  unset multiplot
  unset output
}
