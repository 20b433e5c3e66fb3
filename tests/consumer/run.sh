#!/bin/sh
# Installs into a temporary prefix, builds consumer.c through pkg-config and through CMake alone (shared, static, C++) and every example (examples.sh), runs them;
# then what is installed, what uninstalling leaves (trees.sh), and the same program against the tree that is not installed.
# usage: tests/consumer/run.sh BUILD          (from the repository root, by `make installcheck`)
set -eu
build=$(realpath "$1")
make=${MAKE:-make} cc=${CC:-cc} cxx=${CXX:-c++}
prefix=$(mktemp -d /tmp/orthsr-install-XXXXXX)
trap 'rm -rf "$prefix" "$prefix.work"' EXIT
mkdir "$prefix.work"
$make -s install PREFIX="$prefix" >/dev/null
version=$(sed -n 's/.*VERSION_STRING "\(.*\)"/\1/p' include/orthsr/version.h)
model=$PWD/examples/data/mini source=$PWD/tests/consumer root=$PWD
cd "$prefix.work"

path=${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig$path"
[ "$(pkg-config --modversion orthsr)" = "$version" ]
[ "$(echo $(pkg-config --libs orthsr))" = "-L$prefix/lib -lorthsr" ] || { echo "installcheck: a shared link asks for more: $(pkg-config --libs orthsr)"; exit 1; }
$cc -std=c99 "$source/consumer.c" -o shared $(pkg-config --cflags --libs orthsr)
LD_LIBRARY_PATH=$prefix/lib ./shared "$model"
$cxx -x c++ "$source/consumer.c" -x none -o shared-cxx $(pkg-config --cflags --libs orthsr)
LD_LIBRARY_PATH=$prefix/lib ./shared-cxx "$model"
# liborthsr static and the rest shared, then no shared library at all.
$cc "$source/consumer.c" -o static $(pkg-config --cflags orthsr) -Wl,-Bstatic -lorthsr -L"$prefix/lib" -Wl,-Bdynamic $(pkg-config --libs --static orthsr | sed 's/-lorthsr//')
./static "$model"
if ldd ./static | grep -q liborthsr; then echo 'installcheck: the static program asks for the shared library'; exit 1; fi
$cc -static "$source/consumer.c" -o all-static $(pkg-config --cflags --libs --static orthsr)
./all-static "$model"
"$prefix/bin/orthsr" --version >/dev/null

kinds='shared, static, C++'
if command -v cmake >/dev/null; then
    cmake_says() { cmake -S "$source" -B "$1" -DCMAKE_PREFIX_PATH="$2" -DWANTED="$3" >cmake.log 2>&1; }
    cmake_says cmake "$prefix" "${version%.*}" && cmake --build cmake >>cmake.log 2>&1 || { cat cmake.log; exit 1; }
    cmake/consumer "$model"
    cmake/consumer-cxx "$model"
    if cmake_says newer "$prefix" 99; then echo 'installcheck: CMake takes this for release 99'; exit 1; fi
    cp -r "$prefix" moved
    cmake_says elsewhere "$PWD/moved" "$version" && cmake --build elsewhere >>cmake.log 2>&1 || { cat cmake.log; exit 1; }
    elsewhere/consumer "$model"
    ldd elsewhere/consumer | grep -q "$PWD/moved/lib/liborthsr" || { echo 'installcheck: a moved tree is not found where it is'; exit 1; }
    kinds="$kinds, CMake"
else
    echo 'installcheck: no cmake, its package files are not tried'
fi

cd "$root"
LD_LIBRARY_PATH=$prefix/lib tests/consumer/examples.sh "$prefix"
tests/consumer/trees.sh "$build" "$prefix"

cd "$prefix.work"
export PKG_CONFIG_PATH="$build$path"
$cc "$source/consumer.c" -o uninstalled $(pkg-config --cflags --libs orthsr)
LD_LIBRARY_PATH=$build/lib ./uninstalled "$model"
echo "installcheck: passed ($kinds, not installed; DESTDIR equals prefix; uninstall leaves nothing)"
