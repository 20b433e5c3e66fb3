#!/bin/sh
# What the shared library exports is exactly tests/abi/symbols.txt, what the headers declare; nothing in the archive is un-namespaced.
# usage: tests/abi/symbols.sh BUILD
set -u
build=$1 bad=0
nm -D --defined-only "$build/lib/liborthsr.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | LC_ALL=C sort >"$build/symbols.txt"
diff -u tests/abi/symbols.txt "$build/symbols.txt" || { echo 'abi: exported symbols differ from tests/abi/symbols.txt'; bad=1; }
nm -D --defined-only "$build/lib/liborthsr.so" | awk '$2 ~ /[BDRVW]/ {print; n++} END {exit n > 0}' || { echo 'abi: data is exported'; bad=1; }
cat include/orthsr/*.h | tr '\n' ' ' | grep -oE 'ORTHSR_API [^(]*\(' | grep -oE 'orthsr_[a-z0-9_]+ *\($' | tr -d ' (' | LC_ALL=C sort -u >"$build/declared.txt"
diff -u "$build/declared.txt" "$build/symbols.txt" || { echo 'abi: headers and library disagree'; bad=1; }
nm --defined-only -g "$build/lib/liborthsr.a" | awk 'NF == 3 && $3 !~ /^orthsr__/ {print $3}' | LC_ALL=C sort -u | LC_ALL=C comm -23 - tests/abi/symbols.txt | grep . &&
    { echo 'abi: a symbol of the archive is not public and lacks the prefix orthsr__'; bad=1; }
exit $bad
