#!/bin/sh
# Installs into a temporary prefix, builds consumer.c and the examples through pkg-config alone (shared, static, C++), runs them, compares with a DESTDIR
# installation, uninstalls and looks for leftovers.
# usage: tests/consumer/run.sh BUILD          (from the repository root, by `make installcheck`)
set -eu
build=$1
prefix=$(mktemp -d /tmp/orthsr-install-XXXXXX)
trap 'rm -rf "$prefix" "$prefix.staged"' EXIT
${MAKE:-make} -s install PREFIX="$prefix" >/dev/null
PKG_CONFIG_PATH=$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
[ "$(pkg-config --modversion orthsr)" = "$(sed -n 's/.*VERSION_STRING "\(.*\)"/\1/p' include/orthsr/version.h)" ]
model=$PWD/examples/data/mini
source=$PWD/tests/consumer/consumer.c
cd "$prefix"
cc -std=c99 "$source" -o shared $(pkg-config --cflags --libs orthsr)
LD_LIBRARY_PATH=$prefix/lib ./shared "$model"
c++ -x c++ "$source" -x none -o shared-cxx $(pkg-config --cflags --libs orthsr)
LD_LIBRARY_PATH=$prefix/lib ./shared-cxx "$model"
cc "$source" -o static $(pkg-config --cflags orthsr) -Wl,-Bstatic -lorthsr -L"$prefix/lib" -Wl,-Bdynamic $(pkg-config --libs --static orthsr | sed 's/-lorthsr//')
./static "$model"
! ldd ./static | grep -q liborthsr
for example in "$OLDPWD"/examples/*.c; do
    cc -std=c11 "$example" -o "$(basename "$example" .c)" $(pkg-config --cflags --libs orthsr) -lm
done
bin/orthsr --version >/dev/null 2>&1 || LD_LIBRARY_PATH=$prefix/lib bin/orthsr --version
cd "$OLDPWD"
rm -f "$prefix"/shared "$prefix"/shared-cxx "$prefix"/static
for example in examples/*.c; do rm -f "$prefix/$(basename "$example" .c)"; done
${MAKE:-make} -s install PREFIX="$prefix" DESTDIR="$prefix.staged" >/dev/null
diff -r "$prefix" "$prefix.staged$prefix"
${MAKE:-make} -s uninstall PREFIX="$prefix"
left=$(find "$prefix" ! -type d)
[ -z "$left" ] || { echo "installcheck: left behind: $left"; exit 1; }
echo 'installcheck: passed (shared, static, C++; DESTDIR equals prefix; uninstall leaves nothing)'
