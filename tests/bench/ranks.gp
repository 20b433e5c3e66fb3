# ranks.gp - the step-time model of steptime.awk against the number of nodes, for three networks and three ways of adding up.
#
# usage: gnuplot -e "csv='ranks.csv'; svg='out.svg'" tests/bench/ranks.gp
set terminal svg size 820,360 font "sans-serif,12" background rgb "white"
set output svg
model(options) = sprintf("< awk -F, %s -f tests/bench/steptime.awk %s", options, csv)
set multiplot layout 1,2
set logscale xy
set xlabel "nodes"
set xrange [1:1024]
set xtics ("1" 1, "4" 4, "16" 16, "64" 64, "256" 256, "1024" 1024)
set grid lc rgb "#dddddd"
set key bottom left Left reverse samplen 2 font ",10"
do for [cores in "2 32"] {
    if (cores eq "32") { unset key }
    o = sprintf("-v cores=%s ", cores)
    set title cores eq "2" ? "nodes as measured, 2 cores" : "nodes of 32 cores"
    set ylabel "seconds a step: 1,024 images, 1,000 classes"
    set yrange [cores eq "2" ? 0.5 : 0.03:cores eq "2" ? 1000 : 100]
    stats model(o) using 1:2 nooutput
    t1 = STATS_max_y
    plot t1 / x lw 1 dt 2 lc rgb "#777777" title "in proportion", \
         model(o . "-v gbit=100") using 1:2 with linespoints pt 7 ps 0.4 lc rgb "#0b6e4f" title "100 Gbit/s", \
         model(o . "-v gbit=25") using 1:2 with linespoints pt 7 ps 0.4 lc rgb "#0068a8" title "25 Gbit/s", \
         model(o . "-v gbit=10") using 1:2 with linespoints pt 7 ps 0.4 lc rgb "#b5541c" title "10 Gbit/s", \
         model(o . "-v gbit=10 -v how=ring") using 1:2 with lines dt 3 lc rgb "#b5541c" title "the same, ring", \
         model(o . "-v gbit=10 -v how=tree") using 1:2 with lines dt 4 lc rgb "#b5541c" title "the same, tree", \
         model(o . "-v gbit=10 -v blocks=32") using 1:2 with lines lw 1.5 lc rgb "#7a4b9c" title "10 Gbit/s, blocks of 32"
}
