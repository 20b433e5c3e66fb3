#!/bin/sh
# What a training step costs against the batch, the classes and the threads: a CSV file of `orthsr bench`'s least times.
# usage: tests/bench/scaling.sh MODEL OUT.csv [CONFIG]        (default ffn)
set -eu
model=$1 out=$2 config=${3:-ffn}
measure() { # axis value batch classes threads
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE build/bin/orthsr bench --model "$model" --part step --config "$config" --batch "$3" --classes "$4" --threads "$5" \
        --repetitions 3 --json 2>/dev/null | sed -n "s/.*\"step_ms_min\": \([0-9.]*\).*/$1,$2,\1/p" >>"$out"
}
: >"$out"
for b in 1 2 4 8 16; do measure batch $b $b 16 2; done
for c in 16 100 250 500 1000; do measure classes $c 4 $c 2; done
for t in 1 2; do measure threads $t 8 16 $t; done
cat "$out"
