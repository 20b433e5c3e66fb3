#!/bin/sh
# Nodes of released versions stand unchanged in the new version script, and every later node inherits the one before it.
# usage: tests/abi/nodes.sh RELEASED.map NEW.map
set -u
nodes() { tr '\n' ' ' <"$1" | sed 's|/\*[^*]*\*/||g' | tr -s ' ' | sed 's/} *\([A-Za-z0-9_.]*\) *; */} \1;\n/g' | sed 's/^ //'; }
bad=0
nodes "$1" | while IFS= read -r node; do
    nodes "$2" | grep -qxF "$node" || { echo "abi: node ${node%% *} is released and may not change"; exit 1; }
done || bad=1
nodes "$2" | awk '{parent = $NF; if (parent != (NR > 1 ? last ";" : ";")) {print "abi: node " $1 " does not inherit the one before it"; bad = 1} last = $1} END {exit bad}' || bad=1
exit $bad
