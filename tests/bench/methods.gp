# methods.gp - H of each method on each data set, from what method.c measured; bars: the standard deviation over the seeds.
#
# usage: gnuplot -e "csv='methods.csv'; svg='out.svg'; arms='zero-shot:CoOp:OrthSR:unconstrained'" tests/bench/methods.gp
#
# A point is H of the mean base and mean new accuracy over the seeds, as tests/bench/method.awk has it.
data = system(sprintf("cut -d, -f1 %s | awk '!seen[$0]++' | tr '\\n' ' '", csv))
row(arm) = sprintf("< awk -F, -f tests/bench/method.awk %s | awk -F'|' -v arm='%s' '{ name = $2; gsub(/^ +| +$/, \"\", name) } name == arm { for (i = 5; i < NF - 1; i += 4) { split($i, part, \" \"); print (i - 5) / 4, part[1], part[3] } }'", csv, arm)
arm(k) = system(sprintf("echo '%s' | cut -d: -f%d", arms, k))
count = int(system(sprintf("echo '%s' | tr ':' '\\n' | wc -l", arms)))
array colours[4] = ["#777777", "#3d5a98", "#0b6e4f", "#c1440e"]
set terminal svg size 640,330 font "sans-serif,12" background rgb "white"
set output svg
set ylabel "harmonic mean H, %"
set xrange [-0.5:words(data) - 0.5]
set yrange [0:100]
set xtics scale 0 ()
set ytics nomirror
do for [i = 1:words(data)] { set xtics add (word(data, i) i - 1) }
set grid ytics lc rgb "#dddddd"
set border 1
set key outside top center horizontal maxrows 1
plot for [k = 1:count] row(arm(k)) using ($1 + 0.14 * (k - 0.5 * (count + 1))):2:3 with yerrorbars pt 7 ps 0.9 lw 1.6 lc rgb colours[k] title arm(k)
