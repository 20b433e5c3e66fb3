# scaling.gp - the cost of a step against batch and classes, from what scaling.sh measured, each with the straight line that fits it best.
#
# usage: gnuplot -e "csv='scaling.csv'; svg='out.svg'" tests/bench/scaling.gp
set datafile separator ','
set terminal svg size 760,320 font "sans-serif,12" background rgb "white"
set output svg
set fit quiet
set fit logfile '/dev/null'
set multiplot layout 1,2
set ylabel "ms a step"
set yrange [0:*]
set xrange [0:*]
set key top left
set grid lc rgb "#dddddd"
rows(axis) = sprintf("< grep '^%s,' %s", axis, csv)
f(x) = a * x + b
a = 1; b = 1
fit f(x) rows("batch") using 2:3 via a, b
set xlabel "images in a batch, 16 classes"
plot f(x) lw 1 lc rgb "#777777" title sprintf("%.0f + %.0f x", b, a), rows("batch") using 2:3 with points pt 7 lc rgb "#0b6e4f" title "measured"
a = 1; b = 1
fit f(x) rows("classes") using 2:3 via a, b
set xlabel "classes, 4 images"
plot f(x) lw 1 lc rgb "#777777" title sprintf("%.0f + %.1f x", b, a), rows("classes") using 2:3 with points pt 7 lc rgb "#0b6e4f" title "measured"
