#!/bin/sh
# Every test program under valgrind: any error or leak fails.
# usage: tests/valgrind.sh BUILD PROGRAM...
set -u
build=$1
shift
failed=
for program in "$@"; do
    log=$build/valgrind-$(basename "$program").log
    if CK_FORK=no CK_DEFAULT_TIMEOUT=0 ORTHSR_TEST_SHORT=1 valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect,possible \
        --errors-for-leak-kinds=definite,indirect,possible --child-silent-after-fork=yes "$program" >"$log" 2>&1; then
        echo "valgrind: clean: $(basename "$program"): $(grep -h 'Checks:' "$log" | tail -1)"
    else
        failed="$failed $(basename "$program")"
        cat "$log"
    fi
done
[ -z "$failed" ] || { echo "valgrind: failed:$failed"; exit 1; }
