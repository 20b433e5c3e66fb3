#!/bin/sh
# Every test program of a build with sanitizers, two at a time: any report or leak fails.
# usage: tests/asan.sh BUILD PROGRAM...          (from the repository root, by `make check-asan`)
set -u
build=$1
shift
export CK_DEFAULT_TIMEOUT=0 CK_TIMEOUT_MULTIPLIER=10 ORTHSR_TEST_SHORT=1
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1

# One program; what it said is shown when it failed.
if [ "$build" = --one ]; then
    build=$1 program=$2 log=$1/$(basename "$2").log
    if ORTHSR="$build/bin/orthsr" "$program" >"$log" 2>&1; then
        echo "asan: clean: $(basename "$program"): $(grep -h 'Checks:' "$log" | tail -1)"
    else
        cat "$log"
        echo "asan: failed: $(basename "$program")"
        exit 1
    fi
    exit 0
fi

printf '%s\n' "$@" | xargs -n 1 -P 2 "$0" --one "$build"
