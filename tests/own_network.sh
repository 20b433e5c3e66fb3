#!/bin/sh
# examples/own_network.c has the losses of its twin in PyTorch, tests/data/own_network.txt, to 2e-5 of each; observed: 1.4e-6.
# usage: tests/own_network.sh PROGRAM          (from the repository root)
set -u
"$1" 2>/dev/null | awk -v bound=2e-5 '
    NR == FNR { expected[$1] = $2; lines++; next }
    { difference = ($2 - expected[$1]) / expected[$1]; if (difference < 0) difference = -difference }
    !($1 in expected) || !(difference <= bound) { print "own_network: step " $1 " has loss " $2 ", PyTorch " expected[$1]; bad = 1 }
    { seen++; if (difference > worst) worst = difference }
    END { if (seen != lines) { print "own_network: " seen + 0 " lines, not " lines; bad = 1 }
          if (!bad) printf "own_network: as PyTorch, largest difference %.1e of a loss\n", worst
          exit bad }' tests/data/own_network.txt -
