# compare.gp - times of ours against the fastest of the others, from what compare_torch.py measured; below 1 is faster.
#
# usage: gnuplot -e "csv='compare.csv'; svg='out.svg'" tests/bench/compare.gp
#
# A bar is ours_ms over the least of best_ms (PyTorch with MKL's fast path forced) and ort_ms (ONNX Runtime); the labels are milliseconds.
rows = sprintf("< grep -v '^#' %s | awk -F, 'NR > 1 { best = $3 + 0; if ($4 != \"\" && $4 + 0 < best) best = $4 + 0; printf \"%%s %%g %%.0f %%.0f\\n\", $1, $5 / best, $5, best }' | sort -k2 -g", csv)
set terminal svg size 640,330 font "sans-serif,12" background rgb "white"
set output svg
set xlabel "our time / theirs"
set xrange [0:1.45]
set yrange [-0.6:*]
set grid xtics lc rgb "#dddddd"
set border 1
set xtics nomirror
set ytics scale 0
set lmargin 14
set style fill solid
set boxwidth 0.5
unset key
set arrow from 1, graph 0 to 1, graph 1 nohead lw 1.5 dt 2 lc rgb "#777777"
plot rows using (0.5 * $2):0:(0.5 * $2):(0.28):ytic(1) with boxxyerror lc rgb "#0068a8", \
     "" using (1.03):0:(sprintf("%.0f ms, theirs %.0f", $3, $4)) with labels left offset 0.3, 0 tc rgb "#555555"
