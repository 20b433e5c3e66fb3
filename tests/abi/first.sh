#!/bin/sh
# A program of the first release with this SONAME, run with the library of today: built with that release's headers, linked with an empty library
# that has that release's names, versions and SONAME. It needs every one of them when it starts.
# usage: tests/abi/first.sh BUILD
set -eu
build=$1 baseline=tests/abi/baseline work=$1/abi
mkdir -p "$work"
sed '/^}/q' $baseline/liborthsr.map >"$work/first.map"
names=$(sed -n 's/^ *\(orthsr_[a-z0-9_]*\);$/\1/p' "$work/first.map")
soname=$(sed -n "s/.*soname='\([^']*\)'.*/\1/p" $baseline/*.abi | sort -u)
for name in $names; do echo "void $name(void); void $name(void) {}"; done >"$work/library.c"
{
    for name in $names; do echo "extern void $name(void);"; done
    echo 'void (*const orthsr_every[])(void) = {'
    for name in $names; do echo "    $name,"; done
    echo '};'
} >"$work/every.c"
${CC:-cc} -shared -fPIC -Wl,-soname,"$soname" -Wl,--version-script="$work/first.map" -o "$work/liborthsr.so" "$work/library.c"
${CC:-cc} -std=c11 -Wall -Wextra -Werror -I$baseline -o "$work/first" tests/abi/first.c "$work/every.c" -L"$work" -lorthsr -lm
LD_LIBRARY_PATH=$build/lib "$work/first" examples/data/mini
