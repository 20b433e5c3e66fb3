#!/bin/sh
# Each public header alone, in every C and C++ it promises to serve.
# usage: tests/headers.sh BUILD
set -u
build=$1 bad=0
mkdir -p "$build/headers"
for header in include/orthsr/*.h; do
    name=$(basename "$header")
    printf '#include <orthsr/%s>\nextern int headers_are_alone;\n' "$name" >"$build/headers/alone.c"
    cp "$build/headers/alone.c" "$build/headers/alone.cc"
    for std in c99 c11 c17; do
        ${CC:-cc} -std=$std -Wall -Wextra -pedantic -Werror -Iinclude -fsyntax-only "$build/headers/alone.c" || { echo "headers: $name fails as $std"; bad=1; }
    done
    for std in c++11 c++17; do
        ${CXX:-c++} -std=$std -Wall -Wextra -pedantic -Werror -Iinclude -fsyntax-only "$build/headers/alone.cc" || { echo "headers: $name fails as $std"; bad=1; }
    done
done
exit $bad
