#!/bin/sh
# Dependencies in lib/ point one way; examples see public headers only; the library neither prints nor exits.
# usage: tests/layers.sh          (from the repository root)
set -u
bad=0
complain() { echo "layers: $*"; bad=1; }
allowed() {
    case $1 in
    base) echo base ;;
    ortho | ops | io) echo "base $1" ;;
    adapter) echo 'base ortho io adapter' ;;
    clip) echo 'base ops io adapter clip' ;;
    data) echo 'base io clip data' ;;
    train) echo 'base ortho ops io adapter clip data train' ;;
    *) echo ;;
    esac
}
for directory in lib/*/; do
    layer=$(basename "$directory")
    list=$(allowed "$layer")
    [ -n "$list" ] || complain "lib/$layer is no layer that docs/architecture.md knows"
    for include in $(grep -ho '^#include "[^"]*"' "$directory"*.[ch] | sed 's/.*"\(.*\)\/.*/\1/' | sort -u); do
        case " $list " in *" $include "*) ;; *) complain "lib/$layer includes $include/" ;; esac
    done
done
grep -nE '#include "(base|ops|ortho|io|adapter|clip|data|train)/' examples/*.c examples/*.cpp examples/*/*.[ch] && complain 'an example includes a private header'
grep -nE '\b(printf|puts|fputs|putchar|exit|abort|assert|perror)[[:space:]]*\(|fprintf[[:space:]]*\((stderr|stdout)' lib/*/*.[ch] && complain 'the library prints, exits or asserts'
grep -nE '^(static )?[a-z_]+[a-z0-9_ ]* \**[a-z_0-9]+(\[[^]]*\])*( = .*)?;$' lib/*/*.c | grep -vE 'const|typedef|return|extern|: *(goto|break)' && complain 'a mutable global variable'
exit $bad
