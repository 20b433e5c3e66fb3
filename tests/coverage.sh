#!/bin/sh
# Runs the tests of a build with --coverage, two at a time, and says how much of lib/ they ran: lines and branches, by file and in all. Fails below the bars.
# usage: tests/coverage.sh BUILD PROGRAM...          (from the repository root, by `make coverage`)
set -u

# One program.
if [ "$1" = --one ]; then
    ORTHSR="$2/bin/orthsr" ORTHSR_SHIM="$2/tests/faults.so" "$3" >"$2/$(basename "$3").log" 2>&1 && exit 0
    echo "coverage: failed: $3; see $2/$(basename "$3").log"
    exit 1
fi

build=$1
shift
lines=95 branches=85
find "$build" -name '*.gcda' -delete
export CK_DEFAULT_TIMEOUT=0 CK_TIMEOUT_MULTIPLIER=10
failed=0
printf '%s\n' "$@" | xargs -n 1 -P 2 "$0" --one "$build" || failed=1
mkdir -p "$build/html"
gcovr --root . --filter 'lib/' --object-directory "$build/obj" "$build/obj" --exclude-unreachable-branches --exclude-throw-branches \
    --txt "$build/coverage.txt" --html-details "$build/html/index.html" --json-summary "$build/coverage.json" \
    --fail-under-line "$lines" --fail-under-branch "$branches" --print-summary || failed=1
exit $failed
