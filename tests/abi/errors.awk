# errors.awk - what the headers promise, a line for each: "function NAME", "error NAME CODE", "as NAME OTHER" (the codes of OTHER too); and what is missing:
# "silent NAME" has no "Errors", "undated NAME" no "Since".
# What follows "Errors" in a comment counts: codes, and with "as" or "those of" the codes of the functions named there.
# usage: awk -f docs/reference/api.awk -f tests/abi/errors.awk HEADER...

function prose(noun, title, text) { split("ARGUMENT MEMORY IO FORMAT UNSUPPORTED MISMATCH NUMERIC CANCELLED", known, " "); for (i in known) is_code[known[i]] = 1 }
function finish(noun) {}
function item(kind, name, declaration, own, shared, number,    text, n, words, i, follows) {
    if (kind != "enumerator" && kind != "member" && said_of(own, shared) !~ /Since[ \n][0-9]+\.[0-9]/) print "undated", name
    if (kind != "function") return
    print "function", name
    if (declaration !~ /^orthsr_status [a-z_]*\(.*orthsr_error \*error/) return
    text = said_of(own, shared)
    if (!match(text, /Errors[^:.]*:/)) { print "silent", name; return }
    text = substr(text, RSTART + RLENGTH)
    gsub(/[^A-Za-z0-9_]+/, " ", text)
    n = split(text, words, " ")
    for (i = 1; i <= n; i++) {
        if (words[i] in is_code) print "error", name, words[i]
        # "as orthsr_x", "those of orthsr_x, of orthsr_y and of orthsr_z"
        if (words[i] == "as" || words[i] == "those") follows = 1
        else if (words[i] ~ /^orthsr_/ && follows) print "as", name, words[i]
        else if (words[i] != "of" && words[i] != "and") follows = 0
    }
}
