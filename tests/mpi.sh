#!/bin/sh
# examples/train_mpi.c under mpirun: the same adapter and the same bits of the loss for any number of ranks and threads; ranks that are killed or stopped at random
# instants, runs that are told to stop, ranks that do something else, files that cannot be read or written.
# usage: tests/mpi.sh BUILD [KILLS]          (from the repository root, by `make check`: 2 kills; by `make check-mpi`: 20)
set -u
build=$1 kills=${2:-2}
program=$build/bin/train_mpi model=examples/data/mini
command -v mpirun >/dev/null && [ -x "$program" ] || { echo 'mpi: no mpirun, or no train_mpi: not tried'; exit 0; }
# More ranks than processors, as root in a container if need be; other implementations of MPI pass over these.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
work=$(mktemp -d)
mounted=
trap '[ -z "$mounted" ] || umount "$mounted"; rm -rf "$work"' EXIT
die() { echo "mpi: $*"; tail -n 5 "$work/stdout" "$work/stderr"; exit 1; }
now() { awk '{print $1}' /proc/uptime; } # seconds
since() { echo "$1 $(now)" | awk '{print $2 - $1}'; }
below() { echo "$1 $2" | awk '{exit !($1 < $2)}'; }
random() { od -An -N3 -tu4 /dev/urandom | awk -v most="$1" '{print most * $1 / 16777216}'; } # from 0 to $1
random_below() { random "$1" | sed 's/\..*//'; }

# Two images of each class, of the pictures that come along.
for picture in examples/data/clothes/*.png; do
    class=$(basename "$picture" .png)
    mkdir -p "$work/images/train/$class"
    cp "$picture" "$work/images/train/$class/0.png"
    cp "$picture" "$work/images/train/$class/1.png"
done
few='--shots 2 --epochs 4 --batch-size 8 --save-every 1 --timeout 60'
plain="$few --maps fc1,out" augmented="$few --augment --seed 2"

# RANKS, then arguments: a run into $work/out, its messages in $work/stdout and stderr.
train() {
    ranks=$1
    shift
    timeout 120 mpirun -n "$ranks" "$program" "$@" "$model" "$work/images" "$work/out" >"$work/stdout" 2>"$work/stderr"
}
# The last line: the loss in hexadecimal; and the adapter.
result() { sed -n 's/.*adapter.safetensors; loss \([^;]*\);.*/\1/p' "$work/stdout" && sha256sum <"$work/out/adapter.safetensors"; }

# ---- the same answer ----
same=0
whole() { # NAME OPTIONS: by one rank
    rm -rf "$work/out"
    train 1 --threads 1 $2 || die "$1: one rank fails"
    result >"$work/$1"
}
same() { # NAME OPTIONS RANKS THREADS
    rm -rf "$work/out"
    train "$3" --threads "$4" $2 || die "$1: $3 ranks of $4 threads fail"
    result | cmp -s - "$work/$1" || die "$1: $3 ranks of $4 threads come to something else"
    same=$((same + 1))
}
whole plain "$plain"
whole augmented "$augmented"
if [ "$kills" -gt 2 ]; then cases='1,2 1,3 2,1 2,2 2,3 3,1 3,2 4,1 4,2'; else cases='2,2 3,1 4,1'; fi
for case in $cases; do
    same augmented "$augmented" ${case%,*} ${case#*,}
    [ "$kills" -le 2 ] || same plain "$plain" ${case%,*} ${case#*,}
done

# ---- processes ----
ranks_of() { # MPIRUN: its ranks' process ids and numbers
    for process in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
        number=$(tr '\0' '\n' <"/proc/$process/environ" 2>/dev/null | sed -n 's/^OMPI_COMM_WORLD_RANK=//p; s/^PMI_RANK=//p')
        [ -z "$number" ] || echo "$process $number"
    done
}
begin() { # RANKS, then arguments: as train, but $mpirun is its process; returns when all ranks are there
    mpirun -n "$1" "$program" $2 "$model" "$work/images" "$work/out" >"$work/stdout" 2>"$work/stderr" &
    mpirun=$!
    tries=0
    while [ "$(ranks_of $mpirun | wc -l)" -lt "$1" ] && kill -0 $mpirun 2>/dev/null && [ $tries -lt 200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}
await_steps() { # N: until so many were made
    tries=0
    until [ "$(grep -c '^step ' "$work/stdout")" -ge "$1" ] || ! kill -0 $mpirun 2>/dev/null || [ $tries -gt 1200 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
}
# The job must end within $1 seconds from now: $code.
slowest=0
ends() {
    before=$(now)
    while kill -0 $mpirun 2>/dev/null && below "$(since "$before")" "$1"; do sleep 0.05; done
    took=$(since "$before")
    kill -0 $mpirun 2>/dev/null && { kill -KILL $mpirun; die "it goes on $1 s after $2"; }
    code=0
    wait $mpirun || code=$?
    below "$took" "$slowest" || slowest=$took
}
ends_badly() {
    ends "$1" "$2"
    [ $code != 0 ] || die "it ends well after $2"
}

# ---- killed at random instants, and gone on with by others ----
killed=0 resumed=0
rm -rf "$work/out"
while [ "$killed" -lt "$kills" ] || [ -d "$work/out" ]; do
    ranks=$((1 + $(random_below 4)))
    [ "$killed" -ge "$kills" ] || ranks=$((2 + $(random_below 3)))
    resume=
    [ ! -e "$work/out/checkpoint" ] || resume=--resume
    [ -n "$resume" ] || [ ! -e "$work/out/checkpoint.previous" ] || die "after kill $killed there is no checkpoint, but the one before it"
    if [ "$killed" -ge "$kills" ]; then
        train $ranks --threads $((1 + ranks % 2)) $augmented $resume || die "$ranks ranks do not go on after kill $killed"
        result | cmp -s - "$work/augmented" || die "a run that was killed comes to something else"
        [ -z "$(find "$work/out" -name '*tmp-*' -newer "$work/stdout")" ] || die 'temporary files are left'
        resumed=$((resumed + 1))
        rm -rf "$work/out"
        continue
    fi
    begin $ranks "$augmented --threads 1 $resume"
    await_steps "$(random_below 5)"
    sleep "$(random 0.3)"
    victim=$(random_below $ranks)
    ranks_of $mpirun | grep " $victim\$" >"$work/victim"
    if kill -KILL "$(cut -d' ' -f1 "$work/victim")" 2>/dev/null; then
        ends_badly 10 "the death of rank $victim of $ranks"
        killed=$((killed + 1))
        # mpirun names the rank; the others their step, unless there was none yet.
        grep -q "rank $victim\b" "$work/stderr" || die "nobody names rank $victim"
        ! grep -q 'damaged' "$work/stderr" || die "a checkpoint could not be read after kill $killed"
        [ ! -e "$work/out/checkpoint" ] || resumed=$((resumed + 1))
    else # it was done before
        wait $mpirun || die "$ranks ranks fail by themselves"
        result | cmp -s - "$work/augmented" || die 'a run that was killed before comes to something else'
        rm -rf "$work/out"
    fi
done

# ---- silent ----
silent=0
for ranks in 3 $([ "$kills" -le 2 ] || echo 4 4 3 2 2); do
    rm -rf "$work/out"
    begin $ranks "$plain --threads 1 --epochs 40 --timeout 3"
    await_steps 2
    victim=$(random_below $ranks)
    kill -STOP "$(ranks_of $mpirun | sed -n "s/ $victim\$//p")" || die 'nobody to stop'
    ends_badly 13 "rank $victim of $ranks was stopped"
    grep -q "step [0-9]*: rank $victim has not answered after [4-9] s\|rank $victim has not answered after [4-9] s of waiting for it after step" "$work/stderr" ||
        die "stopping rank $victim of $ranks is not told"
    silent=$((silent + 1))
done

# ---- told to stop ----
told=0
for signal in USR1 $([ "$kills" -le 2 ] || echo TERM INT); do
    code=0
    for try in 1 2 3 4 5 6 7 8 9 10; do # on a busy machine it may be done before it is told
        rm -rf "$work/out"
        begin 3 "$augmented --threads 1"
        await_steps $((4 - try % 4))
        kill -$signal $mpirun 2>/dev/null
        ends 10 "SIG$signal"
        [ $code = 0 ] || break
    done
    [ $code != 0 ] || die 'it is always done before it can be told to stop'
    [ $signal != USR1 ] || grep -q 'stopped after step .*, saved as .*checkpoint.; go on with --resume' "$work/stderr" || die 'SIGUSR1 saves nothing'
    [ -e "$work/out/checkpoint" ] || die "no checkpoint after SIG$signal"
    train 2 --threads 2 $augmented --resume || die "it does not go on after SIG$signal"
    grep -q 'step [1-9][0-9]* of 12$' "$work/stdout" || die "it begins anew after SIG$signal"
    result | cmp -s - "$work/augmented" || die "after SIG$signal it comes to something else"
    told=$((told + 1))
done

# ---- something else at one rank ----
refused=0 tried=0
# WANTED MESSAGE, then the arguments of rank 1, of 3; rank 0 and 2 have $plain.
refuse() {
    wanted=$1 tried=$((tried + 1))
    shift
    [ "$kills" -gt 2 ] || [ $((tried % 4)) = 1 ] || return 0 # in a short run some of them
    rm -rf "$work/out"
    [ -z "${saved:-}" ] || cp -r "$saved" "$work/out"
    timeout 60 mpirun -n 1 "$program" $plain ${both:-} $model "$work/images" "$work/out" : -n 1 "$program" $plain ${both:-} "$@" : \
        -n 1 "$program" $plain ${both:-} $model "$work/images" "$work/out" >"$work/stdout" 2>"$work/stderr"
    code=$?
    [ $code != 124 ] || die "it hangs: $wanted"
    [ $code != 0 ] || die "it is not refused: $wanted"
    grep -q "$wanted" "$work/stderr" || die "refused otherwise: $wanted"
    [ ! -e "$work/out/adapter.safetensors" ] || die "there is an adapter: $wanted"
    refused=$((refused + 1))
}
here="$model $work/images $work/out"
mkdir "$work/model" "$work/less" "$work/other" "$work/named" "$work/broken"
cp $model/* "$work/model"
printf '\1' | dd of="$work/model/open_clip_model.safetensors" bs=1 seek=3000000 conv=notrunc 2>/dev/null
for copy in less other named broken; do cp -r "$work/images/train" "$work/$copy/train"; done
rm "$work/less/train/bag/1.png"
cp "$work/images/train/bag/0.png" "$work/other/train/coat/1.png"
mv "$work/named/train/bag" "$work/named/train/purse"
ln -sf nowhere "$work/broken/train/bag/1.png"
refuse 'rank 1: rank 0 trains something else: seed is 1 there and 2 here' --seed 2 $here
refuse 'rank 1: rank 0 trains something else: epochs is 4 there and 5 here' --epochs 5 $here
refuse 'rank 1: rank 0 trains something else: batch size is 8 there and 4 here' --batch-size 4 $here
refuse 'rank 1: rank 0 trains something else: shards is 4 there and 8 here' --shards 8 $here
refuse 'rank 1: 3 ranks for 2 shards' --shards 2 $here
refuse 'rank 1: rank 0 trains something else: target' --maps fc1,q $here
refuse 'rank 1: rank 0 trains something else: target' --block-size 8 $here
refuse 'rank 1: rank 0 trains something else: augmentation is none there and standard here' --augment $here
refuse 'rank 1 has other weights of the model than rank 0' "$work/model" "$work/images" "$work/out"
refuse 'rank 1: rank 0 trains something else: items is 20 there and 19 here' $model "$work/less" "$work/out"
refuse 'rank 1: rank 0 trains something else: item [0-9]* is .*coat/1.png' $model "$work/other" "$work/out"
refuse 'rank 1: rank 0 trains something else: class 1 is bag there and .* here' $model "$work/named" "$work/out"
refuse 'rank 1: .*bag/1.png' $model "$work/broken" "$work/out"
refuse 'rank 1: .*nowhere' "$work/nowhere" "$work/images" "$work/out"
refuse 'rank 1: --resume is given to rank 0 or to this one alone' --resume $here
refuse 'rank 1: --seed: .x. is no number' --seed x $here
refuse 'rank 1: .--wrong.: no such option' --wrong $here
refuse 'rank 1: 4 arguments' $here more

SLURM_STEP_NUM_TASKS=2 "$program" $plain $here >"$work/stdout" 2>"$work/stderr" && die 'it does not see that it is alone'
grep -q 'srun has started 2 tasks' "$work/stderr" || die 'it does not say that it is alone'
refused=$((refused + 1))

# ---- checkpoints that cannot be read ----
rm -rf "$work/out" "$work/kept"
begin 2 "$plain --threads 1"
await_steps 4
kill -USR1 $mpirun
wait $mpirun
mv "$work/out" "$work/kept"
saved=$work/kept both=--resume
cp -r "$work/kept" "$work/damaged"
printf 'x' | dd of="$work/damaged/checkpoint" bs=1 seek=1000 conv=notrunc 2>/dev/null
rm "$work/kept/adapter.safetensors" 2>/dev/null
refuse 'rank 1: .*damaged/checkpoint' $model "$work/images" "$work/damaged"
cp "$work/damaged/checkpoint.previous" "$work/damaged/checkpoint"
refuse 'rank 1 goes on from step [0-9]*, rank 0 from step [0-9]*' $model "$work/images" "$work/damaged"
refuse 'rank 1: .*not-there/checkpoint' $model "$work/images" "$work/not-there"
saved= both=

# ---- in the middle of a run: an image goes away at one rank, the disk is full ----
middle=0
rm -rf "$work/out" "$work/less"
cp -r "$work/images" "$work/less"
mpirun -n 1 "$program" $augmented --epochs 400 $here : -n 1 "$program" $augmented --epochs 400 $model "$work/less" "$work/out" >"$work/stdout" 2>"$work/stderr" &
mpirun=$!
await_steps 3
rm "$work/less/train/bag/1.png"
ends_badly 20 'an image is gone'
grep -q 'step [0-9]*: rank 1: .*less/train/bag/1.png' "$work/stderr" || die 'nobody names the image that is gone'
middle=$((middle + 1))
rm -rf "$work/out" && mkdir "$work/out"
if mount -t tmpfs -o size=300k none "$work/out" 2>/dev/null; then
    mounted=$work/out
    ! train 2 --threads 1 $plain || die 'it is done on a full disk'
    grep -q "rank 0: .*checkpoint.*: No space left" "$work/stderr" || die 'a full disk is not told'
    umount "$work/out"
    mounted=
    middle=$((middle + 1))
fi

echo "mpi: $same runs by other ranks and threads to the same bits; $killed ranks killed, the job over within $slowest s, $resumed times gone on with; $silent silent ranks told;" \
    "$told runs told to stop and gone on with; $refused times refused; $middle failures in the middle"
