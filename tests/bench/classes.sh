#!/bin/sh
# A training step on few and on many class prompts: whether its time follows from counted work, and the memory it takes beyond the weights.
# usage: tests/bench/classes.sh MODEL OUT.csv [CLASSES...]        (default 16 100 1000, each in the seven templates of @ensemble: ten minutes on a ViT-B/16)
#
# The rate of class prompts is that of the first two; the last one is predicted by it.
set -eu
model=$1 out=$2
shift 2
[ $# -ge 3 ] || set -- 16 100 1000
echo 'classes,step_ms,step_gflop,text_ms,peak_mib,weights_mib' >"$out"
weights=$(find -L "$model" -name '*.safetensors' -exec stat -L -c %s {} + | awk '{s += $1} END {printf "%.0f", s / 1048576}')
for classes in "$@"; do
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE build/bin/orthsr bench --model "$model" --part step --batch 8 --classes "$classes" --template @ensemble --repetitions 1 --json 2>/dev/null |
        sed -n "s/.*\"step_ms_min\": \([0-9.]*\).*\"step_gflop\": \([0-9.]*\).*\"text\": \([0-9.]*\).*\"peak_rss_bytes\": \([0-9]*\).*/$classes \1 \2 \3 \4/p" |
        awk -v w="$weights" '{printf "%s,%.0f,%.0f,%.0f,%.0f,%s\n", $1, $2, $3, $4, $5 / 1048576, w}' >>"$out"
done
awk -F, 'NR > 1 {t[NR - 1] = $2; w[NR - 1] = $3; c = $1; peak = $5 - $6}
    END {n = NR - 1; p = t[1] + (w[n] - w[1]) * (t[2] - t[1]) / (w[2] - w[1])
         printf "%s classes: %.1f s, %.1f s by counted work (%+.0f %%); %.0f MiB beyond the weights\n", c, t[n] / 1e3, p / 1e3, 100 * (t[n] / p - 1), peak}' "$out"
