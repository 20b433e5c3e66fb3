#!/bin/sh
# Every example as a project of its own: built through pkg-config against an installation, then run as its top comment says, in lines
# "run: ARGUMENTS". The shell reads ARGUMENTS, which may use
#     $model           a CLIP                                  $images     a data set of it with the parts train and test, 10 classes
#     $pictures        PNG files, each called as its class     $adapter, $other_adapter   two adapters that train wrote
#     $out             a fresh directory
# A line "mpi-run: ARGUMENTS" is run by one, two and three ranks, which must write the same adapter into $out.
# An example passes when it ends with 0 and prints something. C is C11, C++ is C++11, Python needs nothing beside its standard library.
# usage: tests/consumer/examples.sh PREFIX          (from the repository root, with PKG_CONFIG_PATH and LD_LIBRARY_PATH for it, by tests/consumer/run.sh)
set -eu
prefix=$1
work=$(mktemp -d /tmp/orthsr-examples-XXXXXX)
trap 'rm -rf "$work"' EXIT
model=$PWD/examples/data/mini images=$work/images adapter=$work/first/adapter other_adapter=$work/second/adapter
pictures=$(echo "$PWD"/examples/data/clothes/*.png)

# The first images of Fashion-MNIST as IDX files: big-endian magic and extents, then bytes.
head_of() { # FILE, number of images (two bytes, octal), bytes that follow it
    gzip -dc "$fashion/$1.gz" | { head -c 4 && printf "\0\0$2" && head -c 4 >/dev/null && head -c "$3"; } >"$images/$1"
}
fashion=/usr/share/datasets/fashion-mnist
[ -d "$fashion" ] || { echo "examples: $fashion is missing: it is Debian's package dataset-fashion-mnist"; exit 1; }
mkdir "$images" "$work/bin"
printf '%s\n' t-shirt trouser pullover dress coat sandal shirt sneaker bag 'ankle boot' >"$images/classes.txt"
head_of train-images-idx3-ubyte '\002\000' $((8 + 784 * 512)) && head_of train-labels-idx1-ubyte '\002\000' 512
head_of t10k-images-idx3-ubyte '\001\000' $((8 + 784 * 256)) && head_of t10k-labels-idx1-ubyte '\001\000' 256
train() { # DIRECTORY SEED
    "$prefix/bin/orthsr" train --model "$model" --data "$images" --shots 2 --epochs 2 --cutout off --seed "$2" --out "$1" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
train "$work/first" 1 && train "$work/second" 2

build() { # FILE PROGRAM
    case $1 in
    *_mpi.c) mpicc -std=c11 -Wall -Wextra -Werror "$1" -o "$2" $(pkg-config --cflags --libs orthsr) ;;
    *.c) cc -std=c11 -pthread -Wall -Wextra -Werror "$1" -o "$2" $(pkg-config --cflags --libs orthsr) -lm ;;
    *.cpp) c++ -std=c++11 -pthread -Wall -Wextra -Werror "$1" -o "$2" $(pkg-config --cflags --libs orthsr) ;;
    *.py) printf '#!/bin/sh\nexec python3 -B "%s" "$@"\n' "$1" >"$2" && chmod +x "$2" ;;
    esac
}

# PROGRAM ARGUMENTS: by some ranks, with more of them than processors, and as root in a container, if need be.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
by_ranks() {
    program=$1 before=
    while read -r arguments; do
        for ranks in 1 2 3; do
            out=$work/out && rm -rf "$out" && mkdir "$out"
            eval "mpirun -n $ranks \"$program\" $arguments" >"$work/stdout" 2>"$work/stderr" </dev/null || { cat "$work/stdout" "$work/stderr"; return 1; }
            written=$(sha256sum "$out/adapter.safetensors" | cut -c1-64)
            [ "$written" = "${before:-$written}" ] || { echo "examples: $ranks ranks write another adapter"; return 1; }
            before=$written count=$((count + 1))
        done
    done <"$work/runs"
}

count=0
for file in "$PWD"/examples/*.c "$PWD"/examples/*.cpp "$PWD"/examples/*.py; do
    [ -e "$file" ] || continue
    name=$(basename "$file")
    case $name in *_mpi.c) command -v mpicc >/dev/null || { echo "examples: no mpicc, $name is not tried"; continue; } ;; esac
    build "$file" "$work/bin/$name"
    sed -n '1,60s/^[ *#/]*run: *//p' "$file" >"$work/runs"
    case $name in
    *_mpi.c)
        sed -n '1,60s/^[ *]*mpi-run: *//p' "$file" >"$work/runs"
        by_ranks "$work/bin/$name" || exit 1
        continue
        ;;
    esac
    [ -s "$work/runs" ] || { echo "examples: $name has no line 'run: ARGUMENTS' in its top comment"; exit 1; }
    while read -r arguments; do
        out=$work/out && rm -rf "$out" && mkdir "$out"
        if eval "\"$work/bin/$name\" $arguments" >"$work/stdout" 2>"$work/stderr" </dev/null && [ -s "$work/stdout" ]; then
            count=$((count + 1))
        else
            echo "examples: $name $arguments: failed, or printed nothing"
            cat "$work/stdout" "$work/stderr"
            exit 1
        fi
        [ "$name" != own_network.c ] || tests/own_network.sh "$work/bin/$name"
    done <"$work/runs"
done
[ "$count" -gt 0 ] && echo "examples: $count runs passed"
