# doxygen.awk - Doxygen's input filter: the same declarations, each under a comment as Doxygen wants them, in a group by noun that begins with the header's prose.
# Names of this library in a comment become links, so one that does not exist fails the build.
# usage: awk -f docs/reference/api.awk -f docs/reference/doxygen.awk HEADER

function escape(s) {
    gsub(/\\/, "\\\\", s); gsub(/[<>@#%&]/, "\\\\&", s)
    gsub(/(orthsr|ORTHSR)_[A-Za-z0-9_]*[A-Za-z0-9]/, "#&", s)
    return s
}
function markup(text,    n, lines, i, out, kind, before) {
    n = split(text, lines, "\n")
    for (i = 1; i <= n; i++) {
        kind = line_kind(lines[i], before)
        if (kind == "empty" && before == "fixed") kind = "fixed"
        if (kind == "fixed" && before != "fixed") out = out "\n@verbatim"
        if (kind != "fixed" && before == "fixed") out = out "\n@endverbatim\n"
        if (kind == "text" && (before == "item" || before == "more")) out = out "\n"
        if (kind == "item") out = out "\n - " (term == "" ? "" : "<b>" escape(term) "</b> ") escape(what)
        else if (kind == "more") out = out "\n   " escape(trim(lines[i]))
        else out = out "\n" (kind == "fixed" ? lines[i] : escape(lines[i]))
        before = kind
    }
    return out (before == "fixed" ? "\n@endverbatim" : "")
}
function close_body() { if (body_of != "") print "} " body_of ";"; body_of = "" }

function prose(noun, title, text) {
    print "/** @file " noun ".h\n" escape(capital(title)) " */"
    if (noun == "orthsr") { print "/** @mainpage liborthsr\n" escape(capital(title)) "\n" markup(text) " */"; return }
    print "/** @defgroup " noun " " noun ".h\n@brief " escape(capital(title)) "\n\n" markup(text) "\n@{ */"
}
function item(kind, name, declaration, own, shared, number,    text) {
    text = said_of(own, shared)
    if (kind != "enumerator" && kind != "member") close_body()
    # An empty comment would pass for documentation.
    if (text != "") print "/** " markup(text) " */"
    if (kind == "enumerator") print declaration ","
    else if (kind == "member") print declaration ";"
    else if (kind == "type" && declaration !~ /;$/) { print declaration " {"; body_of = name }
    else print declaration
}
function finish(noun) { close_body(); if (noun != "orthsr") print "/** @} */" }
