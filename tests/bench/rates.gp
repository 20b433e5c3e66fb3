# rates.gp - H against the learning rate, from what method.c measured with tests/bench/arms/rates.
#
# usage: gnuplot -e "csv='rates.csv'; svg='out.svg'" tests/bench/rates.gp
#
# A point is H of the mean base and mean new accuracy over the seeds of a data set, then the mean over the data sets; the rate is relative to the middle
# of each method's list.

mean(method) = sprintf("awk -F, -v m='%s' '\
    index($2, m \" \") == 1 { k = $1 \",\" substr($2, length(m) + 2); n[k]++; b[k] += $4; w[k] += $5 } \
    END { for (k in n) { split(k, part, \",\"); B = b[k] / n[k]; W = w[k] / n[k]; h[part[2]] += B + W > 0 ? 2 * B * W / (B + W) : 0; sets[part[2]]++ } \
          for (r in h) print r + 0, 100 * h[r] / sets[r] }' %s | sort -g", method, csv)
zero_shot = system(sprintf("awk -F, '$2 == \"zero-shot\" && !($1 in seen) { seen[$1] = 1; h += $6; n++ } END { print 100 * h / n }' %s", csv)) + 0

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
