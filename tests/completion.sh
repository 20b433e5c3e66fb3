#!/bin/bash
# What the shells complete: bash is asked as it asks a completion function, zsh reads its script without complaint.
# usage: tests/completion.sh BUILD
set -u
tool=$1/bin/orthsr bad=0
complain() { echo "completion: $*"; bad=1; }
script=$(LD_LIBRARY_PATH=$1/lib "$tool" completion bash) || complain "no script for bash"
bash -n <<<"$script" || complain "bash cannot read its script"
LD_LIBRARY_PATH=$1/lib "$tool" completion zsh | zsh -n || complain "zsh cannot read its script"
eval "$script"

# The words after 'orthsr', the last of them unfinished; prints what it may become.
ask() {
    COMP_WORDS=(orthsr "$@")
    COMP_CWORD=$#
    _orthsr
    echo "${COMPREPLY[*]}"
}
expect() { # what, words...
    local wanted=$1 got
    shift
    got=$(ask "$@")
    [ "$got" = "$wanted" ] || complain "'orthsr $*' may become '$got', not '$wanted'"
}
expect 'train' tr
expect 'embed evaluate explain' e
expect '--help' --h
expect '--kl-weight --kl-cut-weight --kl-direction --kl-temperature --kl-reduction --kl-schedule --kl-confidence' train --kl-
expect '' zeroshot --kl-
expect 'off attentive random' train --cutout ''
expect 'attentive' train --model m --cutout at
expect 'attentive' train --cutout = at
expect 'off attentive random' bench --cutout =
expect 'all' train --shots ''
expect 'base new all' train --classes ''
expect '' bench --classes ''
expect '' train --model ''
expect 'check' data ''
expect 'bash zsh' completion ''
expect 'merge' help me
expect '' nothing --mo
# Every command and option there is.
for command in $(ask ''); do
    expect "$("$tool" help "$command" --json | tr '{' '\n' | sed -n 's/^"name": "\([a-z-]*\)", "value.*/--\1/p' | tr '\n' ' ' | sed 's/ $//')" "$command" --
done
exit $bad
