#!/bin/sh
# The library, the tool and tests of the numerical core by gcc and clang, against OpenBLAS with pthreads, with OpenMP and with neither, and against the
# reference BLAS and LAPACK; a warning fails. (Debian's places and names of these libraries.)
# usage: tests/builds.sh BUILD          (from the repository root, by `make check-builds`)
set -u
build=$1/builds bad=0
rest='lapacke zlib jansson libjpeg libpng libutf8proc'
libdir=$(pkg-config --variable=libdir lapacke)
tests='tests/test_base tests/test_gemm tests/test_ops tests/test_ortho tests/test_inverse tests/test_manifold tests/test_parametrizations tests/test_clip'
mkdir -p "$build/reference"
ln -sf "$(pkg-config --variable=includedir lapacke)/cblas-netlib.h" "$build/reference/cblas.h"

one() {
    cc=$1 blas=$2 b=$build/$1-$2
    case $blas in
    reference) modules="blas-netlib $rest" pc= places="$libdir/blas:$libdir/lapack" cppflags=-I$build/reference ;;
    *) modules="openblas $rest" pc=$libdir/openblas-$blas/pkgconfig places=$libdir/openblas-$blas cppflags= ;;
    esac
    programs=$(for t in $tests; do echo "$b/$t"; done)
    # LAPACKE's own BLAS and LAPACK are of this place too (rpath-link): the system's choice may want what this one lacks.
    PKG_CONFIG_PATH=$pc LIBRARY_PATH=$places ${MAKE:-make} -j2 -s B="$b" CC="$cc" MODULES="$modules" CPPFLAGS="$cppflags" CFLAGS='-Wall -Wextra -Wconversion -Werror' \
        LDFLAGS="-Wl,-rpath-link,$places" \
        lib "$b/bin/orthsr" $programs || return 1
    export LD_LIBRARY_PATH="$places"
    # What is tried is what was asked for: every BLAS and LAPACK that the loader finds is of this place.
    ldd "$b/tests/test_ortho" | awk -v places="$places" '/lib(blas|lapack|openblas)\.so/ {d = $3; sub(/\/[^\/]*$/, "", d); n++; if (index(":" places ":", ":" d ":") == 0) {print; bad = 1}} END {exit bad || !n}' ||
        { echo "builds: another BLAS is loaded"; return 1; }
    for program in $programs; do "$program" >"$b/log" 2>&1 || { cat "$b/log"; return 1; }; done
    "$b/bin/orthsr" info examples/data/mini >/dev/null
}

for compiler in gcc clang; do
    for blas in pthread openmp serial reference; do
        if (one $compiler $blas); then echo "builds: passed: $compiler, $blas"; else echo "builds: FAILED: $compiler, $blas"; bad=1; fi
    done
done
exit $bad
