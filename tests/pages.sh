#!/bin/sh
# The pages agree with the tree: links lead somewhere, files that are named exist, and docs/README.md lists every page.
# usage: tests/pages.sh          (from the repository root)
set -u
bad=0
complain() { echo "pages: $*"; bad=1; }
for page in README.md CONTRIBUTING.md docs/*.md; do
    for link in $(grep -oE '\]\([^) #]+' "$page" | sed 's/](//' | grep -v '^http'); do
        [ -e "$(dirname "$page")/$link" ] || complain "$page: the link to $link leads nowhere"
    done
    for file in $(grep -oE '(^|[ `(])(docs|lib|tests|examples|include|pkgconfig)/[A-Za-z0-9_./-]+\.(md|c|h|sh|py|awk|json|npy|safetensors)' "$page" | sed 's/^[ `(]//' | sort -u); do
        case $file in *NAME*) ;; *) [ -e "$file" ] || complain "$page names $file, which is not there" ;; esac
    done
done
for page in docs/*.md; do
    [ "$page" = docs/README.md ] || grep -q "]($(basename "$page"))" docs/README.md || complain "docs/README.md does not list $page"
done
exit $bad
