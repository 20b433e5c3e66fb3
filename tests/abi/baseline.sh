#!/bin/sh
# Makes the library as built the new baseline: on purpose, at a release, or before the first one when the surface changed (docs/abi.md).
# usage: tests/abi/baseline.sh BUILD          (from the repository root, by `make abi-baseline`)
set -eu
build=$1 baseline=tests/abi/baseline
mkdir -p $baseline "$build/abi"

# Of what only lib/ defines the names alone are kept: libabigail makes types opaque that a suppression of this very label names (--headers-dir would go by the
# names of files, and lib/ has an adapter.h too). Without places of types abidiff would take public structs for private ones; lines in them would change often.
cat >"$build/abi/private" <<END
[suppress_type]
label = Artificial private types suppression specification
source_location_not_regexp = ^(/|include/)
drop = yes
END
abidw --no-corpus-path --no-comp-dir-path --no-elf-needed --no-parameter-names --exported-interfaces-only --type-id-style hash --suppressions "$build/abi/private" \
    "$build/lib/liborthsr.so" |
    sed -e "/<\(function-decl\|parameter\) /s/ filepath='[^']*' line='[0-9]*' column='[0-9]*'//" -e "s/ line='[0-9]*' column='[0-9]*'/ line='1' column='1'/" \
        >"$baseline/$(uname -m).abi"
cp lib/liborthsr.map $baseline/liborthsr.map

# With one node this is the first release of its SONAME: the headers, without comments, that tests/abi/first.c is compiled with.
if [ "$(grep -c '^ORTHSR_' lib/liborthsr.map)" = 1 ]; then
    rm -rf $baseline/orthsr
    mkdir $baseline/orthsr
    for header in include/orthsr/*.h; do ${CC:-cc} -w -fpreprocessed -dD -E -P "$header" >"$baseline/orthsr/$(basename "$header")"; done
fi
