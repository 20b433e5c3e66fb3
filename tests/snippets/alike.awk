# alike.awk - whether what a command printed is what the page shows: "..." stands for anything, and without -v exact=1 a number for any number, blanks for any.
# usage: awk [-v exact=1] -f tests/snippets/alike.awk SHOWN PRINTED
function plain(line) {
    if (!exact) { gsub(/[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?/, "N", line); gsub(/[ \t]+/, " ", line); sub(/ $/, "", line) }
    return line
}
FNR == NR { shown = shown plain($0) "\n"; next }
{ printed = printed plain($0) "\n"; whole = whole $0 "\n" }
END {
    n = split(shown, piece, /\.\.\./)
    rest = printed; good = substr(rest, 1, length(piece[1])) == piece[1]
    rest = substr(rest, length(piece[1]) + 1)
    for (i = 2; i <= n && good; i++) {
        at = i < n ? index(rest, piece[i]) : length(rest) - length(piece[i]) + 1
        good = at > 0 && substr(rest, at, length(piece[i])) == piece[i]
        rest = substr(rest, at + length(piece[i]))
    }
    if (n == 1 && rest != "") good = 0
    if (!good) { printf "the page shows\n%sbut the command printed\n%s", shown, whole; exit 1 }
}
