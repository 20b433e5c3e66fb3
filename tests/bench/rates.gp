# rates.gp - H against the learning rate, from what method.c measured with tests/bench/arms/rates.
#
# usage: gnuplot -e "csv='rates.csv'; svg='out.svg'" tests/bench/rates.gp
#
# A point is H of the mean base and mean new accuracy over the seeds of a data set, then the mean over the data sets; the rate is relative to the middle
# of each method's list.

table = sprintf("awk -F, -f tests/bench/method.awk %s | awk -F'|' ", csv) # | name rate | ... | mean H |
mean(method) = table.sprintf("-v m='%s' '{ n = split($2, word, \" \") } n == 2 && word[1] == m { print word[2] + 0, $(NF - 1) }'", method)
zero_shot = system(table."'$2 ~ /zero-shot/ { print $(NF - 1) }'") + 0

set terminal svg size 640,360 font "sans-serif,12" background rgb "white"
set output svg
set logscale x
set format x "%g"
set xlabel "learning rate, times the middle of its two decades"
set ylabel "harmonic mean H, %"
set key bottom right
set grid ytics lc rgb "#dddddd"
set yrange [0:100]
set xrange [0.08:12.5]
plot zero_shot with lines lw 2 dt 2 lc rgb "#777777" title "zero-shot", \
     "< ".mean("OrthSR") using ($1 / 1e-4):2 with linespoints lw 2 pt 7 lc rgb "#0b6e4f" title "OrthSR", \
     "< ".mean("unconstrained") using ($1 / 1e-4):2 with linespoints lw 2 pt 5 lc rgb "#c1440e" title "unconstrained", \
     "< ".mean("CoOp") using ($1 / 2e-3):2 with linespoints lw 2 pt 9 lc rgb "#3d5a98" title "CoOp"
