#!/bin/sh
# A release as a stranger gets it: the tarball alone, its tree read-only but for build/. It must build, pass its tests, install, and give the same tarball again;
# nothing outside build/ may change (for root nothing is read-only, so that is looked at, too).
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
tree() { find . -path ./build -prune -o -printf '%p %m %s %T@\n' | sort; }
tree >"$work/before"
${MAKE:-make} -j2 -s tests
${MAKE:-make} test
${MAKE:-make} installcheck
${MAKE:-make} -s dist >/dev/null
tree | diff "$work/before" - || { echo 'distcheck: this was written outside build/'; exit 1; }
for t in "$tarball" "build/$2.tar.gz"; do tar tzf "$t" | grep -v '/build/$' | sort; done >"$work/lists"
[ -z "$(sort "$work/lists" | uniq -u)" ] || { sort "$work/lists" | uniq -u; echo 'distcheck: these are in one tarball only'; exit 1; }
echo 'distcheck: passed'
