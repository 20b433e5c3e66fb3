#!/bin/sh
# Training runs that are killed at random instants and gone on with until they are done come to the files of runs that were not, byte for byte.
# usage: tests/kill.sh BUILD [KILLS]          (from the repository root; 5 kills by default, about 200 in ten minutes)
set -u
tool=$1/bin/orthsr kills=${2:-5}
fashion=/usr/share/datasets/fashion-mnist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() { echo "kill: $*"; [ ! -s "$work/err" ] || tail -3 "$work/err"; exit 1; }

# 300 images, no test part.
mkdir "$work/data"
{ printf '\0\0\10\3\0\0\1\54\0\0\0\34\0\0\0\34'; zcat $fashion/train-images-idx3-ubyte.gz 2>/dev/null | tail -c +17 | head -c 235200; } >"$work/data/train-images-idx3-ubyte"
{ printf '\0\0\10\1\0\0\1\54'; zcat $fashion/train-labels-idx1-ubyte.gz 2>/dev/null | tail -c +9 | head -c 300; } >"$work/data/train-labels-idx1-ubyte"
printf '%s\n' t-shirt trouser pullover dress coat sandal shirt sneaker bag 'ankle boot' >"$work/data/classes.txt"

# The methods take turns: run 0 is of the first, run 1 of the second, ...
options() {
    case $(($1 % 3)) in
    0) echo '--cutout attentive --checkpoint-every 1' ;;
    1) echo '--method coop+orthsr --augment standard --cutout random --cutout-fill noise --checkpoint-every 3' ;;
    2) echo '--parametrization manifold --optimizer rsgd --retraction cholesky-qr --targets out,fc1 --checkpoint-every 2' ;;
    esac
}
train() { # number of the run, more options; the command itself, so that what is killed is the tool
    number=$1
    shift
    # shellcheck disable=SC2046
    set -- train --model examples/data/mini --data "$work/data" --out "$work/run" --shots 2 --epochs 4 --threads 1 $(options "$number") "$@"
    exec "$tool" "$@" >"$work/out" 2>"$work/err"
}
# What must be the same: all of result.json but times and the command line.
timeless() { sed 's/"[a-z_]*seconds": [^,]*, //g; s/"timing": {[^{]*{[^}]*}[^}]*}//; s/"command": "[^"]*"//' "$1/result.json"; }

now() { date +%s%N; }
seconds= # that a run takes
reference() {
    [ ! -d "$work/whole$1" ] || return 0
    before=$(now)
    (train "$1") || die "a run that was not killed failed"
    seconds=$(echo "$before $(now)" | awk '{print ($2 - $1) / 1e9}')
    mv "$work/run" "$work/whole$1"
}
equal() { # directory of the whole run
    for file in adapter/adapter.safetensors adapter/prompt.safetensors log.jsonl; do
        [ -e "$1/$file" ] || [ -e "$work/run/$file" ] || continue
        cmp "$1/$file" "$work/run/$file" || return 1
    done
    [ "$(timeless "$1")" = "$(timeless "$work/run")" ]
}

done=0 runs=0 fresh=0
while [ "$done" -lt "$kills" ] || [ -d "$work/run" ]; do
    reference $((runs % 3))
    (train "$runs" --resume) &
    process=$!
    if [ "$done" -lt "$kills" ]; then
        sleep "$(od -An -N3 -tu4 /dev/urandom | awk -v s="$seconds" '{print 0.6 * s * $1 / 16777216}')"
        kill -KILL $process 2>/dev/null
    fi
    wait $process 2>/dev/null
    code=$?
    ! grep -q 'damaged\|the one before it' "$work/err" || die "a checkpoint could not be read after kill $done"
    ! grep -q 'starts at its beginning' "$work/err" || fresh=$((fresh + 1))
    case $code in
    137) done=$((done + 1)) ;;
    0)
        equal "$work/whole$((runs % 3))" || die "run $runs ends otherwise than one that was not killed"
        [ -z "$(find "$work/run" -name '*tmp-*')" ] || die "run $runs leaves temporary files"
        rm -rf "$work/run"
        runs=$((runs + 1))
        ;;
    *) die "run $runs failed with exit code $code after kill $done" ;;
    esac
done
echo "kill: $done kills, $runs runs gone on with to the same bytes, $fresh starts at the beginning, no checkpoint unreadable"
