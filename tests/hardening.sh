#!/bin/sh
# What was built is hard to turn against its user: read-only tables, all symbols bound at the start, no executable stack, any place in memory, canaries on the
# stack, and checked copies. (A build with flags of the user's own, -O0 say, may lack the last.)
# usage: tests/hardening.sh BUILD
set -u
build=$1 bad=0 checked=0
complain() { echo "hardening: $file: $*"; bad=1; }
has() { readelf -W "$1" "$file" 2>/dev/null | grep -qE "$2"; }
for file in "$build"/lib/liborthsr.so "$build"/bin/*; do
    [ -f "$file" ] && readelf -h "$file" >/dev/null 2>&1 || continue
    checked=$((checked + 1))
    has -l GNU_RELRO || complain 'its relocations stay writable (RELRO)'
    has -d '\(BIND_NOW\)|\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW' || complain 'symbols are bound late (BIND_NOW)'
    has -l 'GNU_STACK .* RW +0x' || complain 'its stack can be executed'
    has -d TEXTREL && complain 'its code is relocated (TEXTREL)'
    has -h 'Type: +DYN' || complain 'it lies at a fixed place (PIE)'
    case $file in *.so) ;; *) has -d 'FLAGS_1.*PIE' || complain 'it is no PIE' ;; esac
    case $file in
    *.so | */orthsr)
        has --dyn-syms '__stack_chk_fail' || complain 'its stack has no canaries'
        has --dyn-syms '__[a-z]+_chk' || complain 'it copies unchecked (_FORTIFY_SOURCE)'
        ;;
    esac
    readelf -Wd "$file" | grep -E 'R(UN)?PATH' | grep -vq 'ORIGIN/../lib]' && complain 'it looks for libraries elsewhere'
done
[ "$checked" -gt 1 ] || { echo "hardening: nothing to check in $build"; bad=1; }
exit $bad
