#!/bin/sh
# Two ranks of one thread against one rank of two: the least time of a step, alternating, and where it goes.
# usage: tests/bench/ranks.sh MODEL [ROUNDS]        (10 classes, batches of 8, default adapter, two shards; 3 rounds: about three minutes on a ViT-B/16)
set -eu
model=$1 rounds=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# 30 images of 32 x 32, noise, as IDX files.
mkdir "$work/images"
{ printf '\0\0\10\3\0\0\0\36\0\0\0\40\0\0\0\40'; head -c 30720 /dev/urandom; } >"$work/images/train-images-idx3-ubyte"
{ printf '\0\0\10\1\0\0\0\36'; for i in 1 2 3; do printf '\0\1\2\3\4\5\6\7\10\11'; done; } >"$work/images/train-labels-idx1-ubyte"
printf '%s\n' airplane automobile bird cat deer dog frog horse ship truck >"$work/images/classes.txt"
train() { # RANKS THREADS
    mpirun --bind-to none -n "$1" build/bin/train_mpi --threads "$2" --shards 2 --batch-size 8 --shots 3 --epochs 1 --save-every 0 "$model" "$work/images" "$work/out" >"$work/$1-$2"
    sed -n '1d; s/^step [1-3] of .*: loss [^,]*, \([0-9]*\) ms, \([0-9.]*\) % of it communication, \([0-9.]*\) MB.*/\1 \2 \3/p' "$work/$1-$2" >>"$work/steps-$1"
    sed -n 's/.*\(text [0-9.]* %.*\)/\1/p' "$work/$1-$2" >"$work/phases-$1"
}
i=0
while [ "$i" -lt "$rounds" ]; do
    train 2 1
    train 1 2
    i=$((i + 1))
done
for r in 2 1; do
    sort -n "$work/steps-$r" | head -n 1 | { read -r ms share mb; echo "$r ranks: $ms ms, $share % communication, $mb MB sent a step"; echo "$ms" >"$work/least-$r"; }
    sed 's/^/    /' "$work/phases-$r"
done
echo "$(cat "$work/least-2") $(cat "$work/least-1")" | awk '{printf "ratio %.3f\n", $1 / $2}'
