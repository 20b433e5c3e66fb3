#!/bin/sh
# Each target under libFuzzer for a bounded time, from its committed corpus; what is found on the way stays in BUILD/fuzz/corpus and is taken up again.
# usage: tests/fuzz/run.sh BUILD SECONDS TARGET...          (from the repository root, by `make fuzz`)
#
# SECONDS is 0 for the long run: 5 million executions or 20 minutes of processor time, whichever comes first. A crash, a leak, an allocation of more than
# 64 MiB, or an input that does not end (libFuzzer counts seconds on the wall, and the machine may be busy: 300) ends a target with failure; the input is in
# BUILD/fuzz. All inputs that were kept are then fed to the target as it is, without sanitizers: none may take a second of processor time.
set -u
build=$1 seconds=$2
shift 2
failed=

# Processor time of a process so far, in seconds; empty when it is gone.
used() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) / hz) }' "/proc/$1/stat" 2>/dev/null; }

for target in "$@"; do
    case $target in
    tokenizer_json | vocab_json) length=16384 ;; # all 256 bytes, with and without </w>, take 7 KB
    *) length=4096 ;;
    esac
    if [ "$seconds" = 0 ]; then bound=-runs=5000000; else bound=-max_total_time=$seconds; fi
    mkdir -p "$build/fuzz/corpus/$target"
    log=$build/fuzz/$target.log
    ASAN_OPTIONS=allocator_may_return_null=1 "$build/fuzz/$target" "$bound" -timeout=300 -report_slow_units=1 -malloc_limit_mb=64 -rss_limit_mb=1024 -max_len=$length \
        -print_final_stats=1 -artifact_prefix="$build/fuzz/$target-" "$build/fuzz/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 &
    process=$! took=0
    while now=$(used $process) && [ -n "$now" ]; do
        took=$now
        [ "$seconds" != 0 ] || [ "$took" -lt 1200 ] || kill -INT $process
        sleep 1
    done
    wait $process
    code=$? # 72: stopped above
    [ $code = 0 ] || [ $code = 72 ] || failed="$failed $target"
    slowest=$("$build/tests/fuzz/$target" 0 "$build/fuzz/corpus/$target" "tests/fuzz/corpus/$target") || failed="$failed $target"
    echo "$target: $(sed -n 's/.*number_of_executed_units: */executed /p' "$log"), $took s of processor time, $(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1), the slowest ${slowest##* slowest }"
done
[ -z "$failed" ] || { echo "failed:$failed; their logs are in $build/fuzz"; exit 1; }
