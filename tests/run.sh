#!/bin/sh
# Runs every test program and the checks on the tree, and says at the end how many passed.
# usage: tests/run.sh BUILD PROGRAM...          (from the repository root, by `make check`)
set -u
build=$1
shift
passed=0 failed=0 names=
try() {
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)) names="$names $*"; fi
}
for program in "$@"; do try "$program"; done
try tests/layers.sh
try tests/headers.sh "$build"
try tests/manpages.sh "$build"
try tests/abi/check.sh "$build"
try tests/abi/coverage.sh
try tests/pages.sh
try tests/snippets.sh "$build"
try tests/versions.sh
try tests/hardening.sh "$build"
try tests/own_network.sh "$build/bin/own_network"
try tests/kill.sh "$build"
try tests/mpi.sh "$build"
try tests/completion.sh "$build"
try tests/terminal.sh "$build"
[ -z "$names" ] || echo "failed:$names"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
