#!/bin/sh
# What an installation holds, by name; that one under DESTDIR is the same tree as one in a real prefix: names, kinds, modes, links, contents; that uninstalling
# leaves nothing, and what is somebody else's; the same with every directory in a place of its own.
# usage: tests/consumer/trees.sh BUILD PREFIX          (PREFIX has an installation, and is empty afterwards)
set -eu
build=$1 prefix=$2
make=${MAKE:-make}
work=$(mktemp -d /tmp/orthsr-trees-XXXXXX)
trap 'rm -rf "$work"' EXIT
complain() { echo "installcheck: $*"; exit 1; }
version=$(sed -n 's/.*VERSION_STRING "\(.*\)"/\1/p' include/orthsr/version.h) major=$(cat lib/so_version)

# The files and links of an installation, from where the variables below say its directories are.
wanted() {
    echo "$bindir/orthsr"
    for file in liborthsr.a liborthsr.so "liborthsr.so.$major" "liborthsr.so.$major.$version" pkgconfig/orthsr.pc; do echo "$libdir/$file"; done
    for file in orthsr-config.cmake orthsr-config-version.cmake; do echo "$libdir/cmake/orthsr/$file"; done
    for file in include/orthsr/*.h; do echo "$includedir/orthsr/${file##*/}"; done
    for page in docs/man/*.1; do echo "$mandir/man1/${page##*/}"; done
    for page in "$build"/man/man3/*.3; do echo "$mandir/man3/${page##*/}"; done
    for file in README.md CHANGELOG.md LICENSE docs/*.md; do echo "$docdir/$file"; done
    echo "$bashdir/orthsr"
    echo "$zshdir/_orthsr"
}
holds() { # DIRECTORY WHAT: nothing more, nothing less
    wanted | sort >"$work/wanted"
    (cd "$1" && find . ! -type d -printf '%P\n' | sort) | diff "$work/wanted" - || complain "what is installed $2 is not what should be (<)"
}
# Every name with its kind, mode and the target of a link.
tree() { (cd "$1" && find . -mindepth 1 -printf '%P %y %m %l\n' | sort); }

bindir=bin libdir=lib includedir=include mandir=share/man docdir=share/doc/orthsr
bashdir=share/bash-completion/completions zshdir=share/zsh/site-functions
holds "$prefix" 'in a prefix'
[ "$(ls "$prefix/$mandir/man3" | wc -l)" -gt 100 ] || complain 'man3 has few pages'
bash -n "$prefix/$bashdir/orthsr" && grep -q complete "$prefix/$bashdir/orthsr" || complain 'the completion of bash is no script'
[ "$(head -1 "$prefix/$zshdir/_orthsr")" = '#compdef orthsr' ] || complain 'the completion of zsh is none'

$make -s install PREFIX="$prefix" DESTDIR="$work/staged" >/dev/null
tree "$prefix" >"$work/real"
tree "$work/staged$prefix" | diff "$work/real" - || complain 'DESTDIR gives another tree than a prefix'
diff -r "$prefix" "$work/staged$prefix" || complain 'DESTDIR gives other contents than a prefix'
$make -s uninstall PREFIX="$prefix"
$make -s uninstall PREFIX="$prefix" DESTDIR="$work/staged"
left=$(find "$prefix" "$work/staged" -mindepth 1)
[ -z "$left" ] || complain "left behind: $(echo "$left" | head -5)"

# Every directory elsewhere, as distributions have them, beside files of somebody else's.
set -- PREFIX=/p bindir=/b/in libdir=/l/multi/arch includedir=/i/nclude mandir=/m/an docdir=/d/oc bashcompletiondir=/s/bash zshcompletiondir=/s/zsh DESTDIR="$work/apart"
bindir=b/in libdir=l/multi/arch includedir=i/nclude mandir=m/an docdir=d/oc bashdir=s/bash zshdir=s/zsh
$make -s install "$@" >/dev/null
holds "$work/apart" 'in directories of its own'
for directory in $bindir $libdir $includedir $includedir/orthsr $mandir/man1 $mandir/man3 $docdir $bashdir $zshdir; do : >"$work/apart/$directory/neighbour"; done
$make -s uninstall "$@"
left=$(find "$work/apart" ! -type d ! -name neighbour; find "$work/apart" -mindepth 1 -type d -empty)
[ -z "$left" ] || complain "left behind: $(echo "$left" | head -5)"
[ "$(find "$work/apart" -name neighbour | wc -l)" = 9 ] || complain "uninstalling took what was not ours"
