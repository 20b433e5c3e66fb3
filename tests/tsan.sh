#!/bin/sh
# Many threads on one model under ThreadSanitizer: any report fails, and nothing is suppressed. OpenBLAS is not instrumented; with one thread it only ever
# works on its caller's own memory.
# usage: tests/tsan.sh BUILD          (from the repository root, by `make check-tsan`; BUILD was made with -fsanitize=thread)
set -eu
build=$1
export OPENBLAS_NUM_THREADS=1 CK_FORK=no CK_DEFAULT_TIMEOUT=0 TSAN_OPTIONS=exitcode=66
plain=
if setarch -R true 2>/dev/null; then plain='setarch -R'; fi # some kernels place memory where ThreadSanitizer does not expect it
$plain "$build/tests/test_serving"
ORTHSR_TEST_SHORT=1 $plain "$build/tests/test_collective"
$plain "$build/bin/serve_threads" examples/data/mini 4 24
# It would have been told: two threads, one writes an adapter's parameters while the other rotates.
if $plain "$build/tests/race" 2>"$build/race.log"; then
    echo 'tsan: a data race went unnoticed'
    exit 1
fi
grep -q 'ThreadSanitizer: data race' "$build/race.log"
echo 'tsan: no report, and a race that was made on purpose is found'
