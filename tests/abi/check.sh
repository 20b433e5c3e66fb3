#!/bin/sh
# The built library against the stored baseline (docs/abi.md): symbols, nodes of the version script, types, and a program of the first release.
# usage: tests/abi/check.sh BUILD          (from the repository root, by `make check-abi`)
set -u
build=$1 baseline=tests/abi/baseline bad=0
types=$baseline/$(uname -m).abi log=$build/abi/check.log
mkdir -p "$build/abi"

tests/abi/symbols.sh "$build" || bad=1
tests/abi/nodes.sh $baseline/liborthsr.map lib/liborthsr.map || bad=1

# A public struct with fields has them for ever: docs/abi.md says which those are.
for struct in $(sed -n 's/^typedef struct \([a-z0-9_]*\) {.*/\1/p' include/orthsr/*.h); do
    grep -q "\`$struct\`" docs/abi.md || { echo "abi: $struct has fields, which docs/abi.md does not promise"; bad=1; }
done

# Macros go into programs by their values, which no library can tell; the release number and what visibility.h does are no promises.
macros() { sed -n '/^#define ORTHSR_\(VERSION\|API\|BEGIN\|END\)/d; s|/\*.*||; s/^\(#define ORTHSR_[A-Z0-9_]*[ (].*[^ ]\) *$/\1/p' "$1"/*.h | sort; }
macros include/orthsr >"$build/abi/macros.txt"
macros $baseline/orthsr | grep -vxFf "$build/abi/macros.txt" && { echo 'abi: these macros of the baseline are gone or have another value'; bad=1; }

if ! command -v abidiff >/dev/null; then echo 'abi: types not compared: no abidiff (Debian: abigail-tools)'
elif [ ! -f "$types" ]; then echo "abi: types not compared: no $types"
else
    abidiff --no-added-syms --fail-no-debug-info --headers-dir2 include/orthsr "$types" "$build/lib/liborthsr.so" >"$log" 2>&1 ||
        { cat "$log"; echo "abi: types, functions or the SONAME differ from $types"; bad=1; }
fi

tests/abi/first.sh "$build" || { echo "abi: a program of the first release does not run with this library"; bad=1; }
[ $bad = 0 ] && echo 'abi: as the baseline'
exit $bad
