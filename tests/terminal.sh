#!/bin/sh
# What a person sees of a training: in tmux at 60 and 120 columns and while the window changes, in a pipe, and when it is stopped by Ctrl-C at three moments.
# usage: tests/terminal.sh BUILD          (from the repository root)
set -u
tool=$1/bin/orthsr
fashion=/usr/share/datasets/fashion-mnist
work=$(mktemp -d /tmp/orthsr-terminal-XXXXXX)
tmux() { command tmux -f /dev/null -S "$work/socket" "$@"; }
trap 'tmux kill-server 2>/dev/null; rm -rf "$work"' EXIT
die() { echo "terminal: $*"; exit 1; }
command -v tmux >/dev/null || die "tmux is missing"
export LC_ALL=C.UTF-8 LD_LIBRARY_PATH="$1/lib" OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1

# 160 images to draw from and 250 to measure with.
first() { # part images
    size=$(printf '\\0%o\\0%o' $(($2 / 256)) $(($2 % 256)))
    { printf '\0\0\10\3\0\0%b\0\0\0\34\0\0\0\34' "$size"; zcat $fashion/$1-images-idx3-ubyte.gz 2>/dev/null | tail -c +17 | head -c $(($2 * 784)); } >"$work/data/$1-images-idx3-ubyte"
    { printf '\0\0\10\1\0\0%b' "$size"; zcat $fashion/$1-labels-idx1-ubyte.gz 2>/dev/null | tail -c +9 | head -c "$2"; } >"$work/data/$1-labels-idx1-ubyte"
}
mkdir "$work/data"
first train 160
first t10k 250
printf '%s\n' t-shirt trouser pullover dress coat sandal shirt sneaker bag 'ankle boot' >"$work/data/classes.txt"
options="--model examples/data/mini --data $work/data --shots 4 --epochs 3 --threads 1"

# ---- in a window ---------------------------------------------------------------------------------------------------------------
# A system without pseudo-terminals, as in a bare chroot, has no windows. The first session stays, or the server would end with each window.
tmux new-session -d -s keeper 'sleep 600' 2>/dev/null || { echo 'terminal: not tried, there are no pseudo-terminals here'; exit 0; }
pane() { tmux capture-pane -p -t orthsr || die "the window is gone"; }
# The command in a window that stays open; "over" is its last line.
start() { # columns, options...
    columns=$1
    shift
    tmux new-session -d -s orthsr -x "$columns" -y 40 "'$tool' train $options $*; echo over; sleep 60"
}
finish() { tmux kill-session -t orthsr; }
wait_for() { # what shall be in the window
    tries=0
    until pane | grep -q "$1"; do
        tries=$((tries + 1))
        tmux has-session -t orthsr 2>/dev/null && [ $tries -lt 1200 ] || { pane; die "'$1' never comes"; }
        sleep 0.05
    done
}
# A moving line: label, bar or count; what else is shown must be whole, and there is never a second of it.
check_pane() { # columns
    pane >"$work/pane"
    awk -v columns="$1" '
        length($0) > columns - 1 && /^(training|zero-shot|tuned|reading|how far)  / {print "wider than the window: " $0; bad = 1}
        /^training  .*[0-9]+\/[0-9]+ steps/ {
            moving++
            line = $0
            sub(/^training  (\[[=>.]*\]  )?[0-9]+\/[0-9]+ steps/, "", line)
            gsub(/  ([0-9.]+ images\/s|loss [0-9.]+|acc [0-9]+ %|epoch [0-9]+\/[0-9]+|ce [0-9.]+\+[0-9.]+|kl [0-9.]+\+[0-9.]+|ETA [0-9:]+)/, "", line)
            if (line != "") {print "torn: " $0 " leaves: " line; bad = 1}
        }
        /[0-9]+\/[0-9]+ (steps|images|matrices)/ {any++}
        END {if (any > 1) {print any " moving lines at once"; bad = 1} exit bad}' "$work/pane" || { cat "$work/pane"; die "at $1 columns"; }
    frames=$((frames + $(grep -c '^training  .*[0-9]*/[0-9]* steps' "$work/pane")))
}
check_end() { # columns
    check_pane "$1"
    ! grep -q '[0-9]/[0-9]* \(steps\|images\|matrices\)\|\.\.\.$' "$work/pane" || { cat "$work/pane"; die "something is left of a moving line at $1 columns"; }
    ! awk -v columns="$1" 'length($0) == columns && /^[a-z]/ && !/orthsr/' "$work/pane" | grep . || die "broken within a word at $1 columns"
    grep -q '^training  30 steps  loss' "$work/pane" || { cat "$work/pane"; die "no last line of the training at $1 columns"; }
    tr -d '\n' <"$work/pane" | grep -q 'next:    orthsr evaluate --model' || { cat "$work/pane"; die "no command to go on with"; }
}
for columns in 60 120; do
    frames=0
    start $columns --out "$work/run$columns"
    until pane | grep -q '^over'; do
        check_pane $columns
        sleep 0.05
    done
    check_end $columns
    [ $frames -ge 3 ] || die "the training was seen $frames times only"
    finish
    seen="${seen-}$frames pictures at $columns columns, "
done

# The window is made narrower and wider while it trains.
frames=0
start 120 --out "$work/resized"
wait_for '^training .*/30 steps.* images/s.*loss.*acc.*epoch.*ce.*kl.*ETA'
tmux resize-window -t orthsr -x 50 -y 40
wait_for '^training .*/30 steps.*ETA [0-9:]*$'
sleep 0.3
check_pane 50
tmux resize-window -t orthsr -x 110 -y 40
wait_for '^training .*/30 steps.* images/s.*loss.*acc.*epoch' || wait_for '^over'
wait_for '^over'
finish

# ---- in a pipe -----------------------------------------------------------------------------------------------------------------
# shellcheck disable=SC2086
"$tool" train $options --out "$work/piped" 2>&1 | cat >"$work/text"
[ "$(tr -d '\n\040-\176' <"$work/text" | wc -c)" = 0 ] || die "control characters in a pipe"
for word in 'the frozen model is right for' 'memory beside' 'expected: ' '^training  30 steps' '^tuned '; do grep -q "$word" "$work/text" || die "no '$word' in a pipe"; done

# NO_COLOR leaves the colour out, on a terminal.
tmux new-session -d -s orthsr -x 100 -y 40 "NO_COLOR=1 '$tool' train $options --out '$work/gray'; echo over; sleep 60"
tmux pipe-pane -t orthsr "cat >'$work/gray.raw'"
wait_for '^over'
finish
! grep -q "$(printf '\033\[3[0-9]m')" "$work/gray.raw" || die "colour in spite of NO_COLOR"

# ---- Ctrl-C ----------------------------------------------------------------------------------------------------------------------
# Stopped while what is in the window: it says so, and how to go on; going on ends with the adapter of a run that was not stopped.
stop_at() { # name, what is seen then
    start 100 --out "$work/$1"
    wait_for "$2"
    tmux send-keys -t orthsr C-c
    wait_for '^over'
    tmux capture-pane -p -J -t orthsr >"$work/pane"
    grep -q '^stopping in order' "$work/pane" || { cat "$work/pane"; die "$1: nobody says that it stops"; }
    tr '\n' ' ' <"$work/pane" | grep -q 'orthsr train: interrupted.* with: orthsr train .*--resume over' || { cat "$work/pane"; die "$1: no command to go on with"; }
    [ ! -e "$work/$1/result.json" ] || die "$1: it was not stopped"
    command=$(sed -n 's/^.*with: orthsr \(train .*--resume\)$/\1/p' "$work/pane")
    finish
    # shellcheck disable=SC2086
    "$tool" $command >"$work/text" 2>&1 || { cat "$work/text"; die "$1: cannot go on"; }
    cmp "$work/piped/adapter/adapter.safetensors" "$work/$1/adapter/adapter.safetensors" || die "$1: going on ends with another adapter"
    cmp "$work/piped/log.jsonl" "$work/$1/log.jsonl" || die "$1: going on ends with another log"
}
stop_at measuring '^zero-shot .*/250 images'
stop_at training '^training .*1[0-9]/30 steps'
stop_at afterwards '^tuned .*/250 images'
echo "terminal: ${seen}no control characters in a pipe, three runs stopped and gone on with"
