#!/bin/sh
# Runs the tests of a build with --coverage and says how much of lib/ they ran: lines and branches, by file and in all. Fails below the bars.
# The kernels for a processor that this one is not are not counted: see docs/reliability.md.
# usage: tests/coverage.sh BUILD PROGRAM...          (from the repository root, by `make coverage`)
set -u
build=$1
shift
lines=95 branches=85
find "$build" -name '*.gcda' -delete
export ORTHSR="$build/bin/orthsr" CK_DEFAULT_TIMEOUT=0
failed=0
for program in "$@"; do
    "$program" >"$build/$(basename "$program").log" 2>&1 || { echo "coverage: failed: $program"; failed=1; }
done
mkdir -p "$build/html"
gcovr --root . --filter 'lib/' --object-directory "$build/obj" "$build/obj" --exclude-unreachable-branches --exclude-throw-branches \
    --txt "$build/coverage.txt" --html-details "$build/html/index.html" --json-summary "$build/coverage.json" \
    --fail-under-line "$lines" --fail-under-branch "$branches" --print-summary || failed=1
exit $failed
