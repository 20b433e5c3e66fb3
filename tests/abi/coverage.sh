#!/bin/sh
# Every public function is called by a test, and every error code that a header promises is provoked by tests/test_errors.c, and no other one.
# MEMORY is left to tests that make allocations fail one after the other.
# usage: tests/abi/coverage.sh          (from the repository root)
set -u
list=$(awk -f docs/reference/api.awk -f tests/abi/errors.awk include/orthsr/*.h) || exit 1
bad=0
complain() { echo "coverage: $*"; bad=1; }

# A test calls it: its name and a parenthesis in a test program, in a macro's argument too.
for function in $(echo "$list" | sed -n 's/^function //p'); do
    grep -qE "(^|[^A-Za-z0-9_])$function(\(|,)" tests/*.c tests/util/*.h || complain "no test calls $function: add one to tests/"
done
for name in $(echo "$list" | sed -n 's/^undated //p'); do complain "the comment of $name has no \"Since ...\""; done
for function in $(echo "$list" | sed -n 's/^silent //p'); do complain "the comment of $function has no \"Errors: ...\", but it returns a status"; done

# What is promised, with what "as orthsr_x" stands for, against what is provoked.
promised=$(echo "$list" | awk '
    $1 == "error" {has[$2, $3] = 1}
    $1 == "as" {n++; from[n] = $2; to[n] = $3}
    END {
        split("ARGUMENT IO FORMAT UNSUPPORTED MISMATCH NUMERIC CANCELLED", code, " ")
        for (more = 1; more;) {
            more = 0
            for (i = 1; i <= n; i++) for (c in code) if ((to[i], code[c]) in has && !((from[i], code[c]) in has)) more = has[from[i], code[c]] = 1
        }
        for (pair in has) {split(pair, part, SUBSEP); if (part[2] != "MEMORY") print part[1], part[2]}
    }' | LC_ALL=C sort)
provoked=$(tr '\n' ' ' <tests/test_errors.c | grep -oE 'PROVOKE\((orthsr_[a-z0-9_]+), *([A-Z]+),' | sed 's/PROVOKE(//; s/,//g; s/  */ /g' | LC_ALL=C sort)
for twice in $(echo "$provoked" | uniq -d | tr ' ' ':'); do complain "tests/test_errors.c provokes $(echo "$twice" | tr : ' ') twice: once is enough"; done
echo "$promised" | while read -r function code; do
    echo "$provoked" | grep -qxF "$function $code" || echo "coverage: the header of $function promises $code: add PROVOKE($function, $code, ...) to tests/test_errors.c, or mend the comment"
done | { ! grep .; } || bad=1
echo "$provoked" | while read -r function code; do
    echo "$promised" | grep -qxF "$function $code" || echo "coverage: tests/test_errors.c provokes $code of $function, which its header does not promise: mend the comment"
done | { ! grep .; } || bad=1
[ "$bad" = 1 ] || echo "coverage: $(echo "$list" | grep -c '^function') functions called, $(echo "$promised" | grep -c .) pairs of function and error code provoked"
exit $bad
