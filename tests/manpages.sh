#!/bin/sh
# The manual pages: groff has nothing to say against them, every public function and type has one, and what leads to another page leads somewhere.
# usage: tests/manpages.sh BUILD
set -u
pages=$1/man/man3 bad=0
complain() { echo "manpages: $*"; bad=1; }
for page in docs/man/*.1 "$pages"/*.3; do
    target=$(sed -n '1s/^\.so man3\///p' "$page")
    if [ -n "$target" ]; then
        [ -f "$pages/$target" ] || complain "$page leads to $target, which is not there"
        continue
    fi
    said=$(groff -man -Tutf8 -ww -z "$page" 2>&1) || complain "groff fails on $page"
    [ -z "$said" ] || complain "$said"
done
for name in $(sed -n 's/.*ORTHSR_API [^(]*[ *]\(orthsr_[a-z0-9_]*\)(.*/\1/p; s/^typedef .*[ *(]\(orthsr_[a-z0-9_]*\)[;)].*/\1/p' include/orthsr/*.h); do
    [ -f "$pages/$name.3" ] || complain "there is no page for $name"
done
exit $bad
