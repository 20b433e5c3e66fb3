#!/bin/sh
# A release as a stranger gets it: the tarball alone, its tree read-only but for build/.
# usage: tests/distcheck.sh TARBALL NAME
set -eu
tarball=$(realpath "$1")
work=$(mktemp -d /tmp/orthsr-distcheck-XXXXXX)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
tar xzf "$tarball"
cd "$2"
mkdir build
chmod -R a-w . && chmod u+w build
${MAKE:-make} -j2 -s all
${MAKE:-make} test
${MAKE:-make} installcheck
echo 'distcheck: passed'
