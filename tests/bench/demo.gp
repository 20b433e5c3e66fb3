# demo.gp - the README's table as a picture: Base, New and H of every way of tuning.
#
# usage: gnuplot -e "csv='demo.csv'; svg='out.svg'" tests/bench/demo.gp
set datafile separator ','
set terminal svg size 640,330 font "sans-serif,12" background rgb "white"
set output svg
set xlabel "percent correct, mean of three seeds"
set xrange [45:82]
set yrange [5.6:-0.6]
set ytics scale 0
set xtics nomirror
set border 1
set grid xtics lc rgb "#dddddd"
set key outside top center horizontal maxrows 1
set lmargin 24
plot csv using 2:0:($3 - $2):(0):ytic(1) with vectors nohead lw 2 lc rgb "#dddddd" notitle, \
     "" using 2:0 with points pt 7 ps 0.9 lc rgb "#0068a8" title "Base", \
     "" using 3:0 with points pt 5 ps 0.9 lc rgb "#c24e00" title "New", \
     "" using 4:0 with points pt 13 ps 1 lc rgb "#1d2327" title "H"
