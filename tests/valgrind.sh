#!/bin/sh
# Every test program under valgrind, two at a time: any error or leak fails.
# usage: tests/valgrind.sh BUILD PROGRAM...
set -u
build=$1
shift

# One program; what it said is shown when it failed.
if [ "$build" = --one ]; then
    build=$1 program=$2 log=$1/valgrind-$(basename "$2").log
    if CK_FORK=no CK_DEFAULT_TIMEOUT=0 ORTHSR_TEST_SHORT=1 valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect,possible \
        --errors-for-leak-kinds=definite,indirect,possible --child-silent-after-fork=yes "$program" >"$log" 2>&1; then
        echo "valgrind: clean: $(basename "$program"): $(grep -h 'Checks:' "$log" | tail -1)"
    else
        cat "$log"
        echo "valgrind: failed: $(basename "$program")"
        exit 1
    fi
    exit 0
fi

printf '%s\n' "$@" | xargs -n 1 -P 2 "$0" --one "$build"
