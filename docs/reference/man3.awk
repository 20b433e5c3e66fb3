# man3.awk - a manual page for each public header, and for each function and type a page that leads to it.
# usage: awk -v out=DIRECTORY -v version=X.Y.Z -v date=YYYY-MM-DD -f docs/reference/api.awk -f docs/reference/man3.awk HEADER...

function escape(s) {
    gsub(/\\/, "\\e", s); gsub(/\^/, "\\(ha", s); gsub(/~/, "\\(ti", s); gsub(/`/, "\\(ga", s)
    gsub(/"/, "\\(dq", s); gsub(/--/, "\\-\\-", s); gsub(/ -/, " \\-", s); gsub(/->/, "\\->", s); gsub(/\(-/, "(\\-", s); gsub(/\^-/, "^\\-", s)
    if (s ~ /^[.']/) s = "\\\\&" s
    return s
}
function literal(s) { s = escape(s); gsub(/'/, "\\(aq", s); return s }

function markup(text,    n, lines, i, out, kind, before) {
    n = split(text, lines, "\n")
    for (i = 1; i <= n; i++) {
        kind = line_kind(lines[i], before)
        if (kind == "empty" && before == "fixed" && lines[i + 1] ~ /^   /) kind = "fixed"
        if (before == "fixed" && kind != "fixed") out = out ".fi\n"
        if (out != "" && kind != "empty" && kind != "item" && kind != "more" && kind != before) out = out ".PP\n"
        if (kind == "fixed" && before != "fixed") out = out ".nf\n"
        if (kind == "item") out = out (term == "" ? ".IP \\(bu 2\n" : ".TP\n.B \"" literal(term) "\"\n") escape(what) "\n"
        else if (kind == "fixed") out = out literal(lines[i]) "\n"
        else if (kind != "empty") out = out escape(trim(lines[i])) "\n"
        before = kind
    }
    return out (before == "fixed" ? ".fi\n" : "")
}

function page_of(noun) { return noun == "orthsr" ? "orthsr" : "orthsr_" noun }

function prose(noun, title, text) {
    summary = title; sub(/\. .*/, "", summary); sub(/[.:]$/, "", summary)
    intro = markup(capital(title) "\n" text)
    names = types = functions = last = section = ""; others = 0
}

# A declaration over what is said of it; those of a paragraph that nothing more is said of share it.
function add(where, declaration, text, number,    head) {
    head = (part[where] == "" ? "" : ".PP\n") ".B \"" literal(declaration) "\"\n"
    if (where == section && number == last && text == said) {
        sub(/\.RS 4\n[^\001]*\001$/, "", part[where])
        head = ".br\n.B \"" literal(declaration) "\"\n"
    }
    part[where] = part[where] head ".RS 4\n" markup(text) ".RE\n\001"
    section = where; last = number; said = text
}
function item(kind, name, declaration, own, shared, number,    text) {
    text = said_of(own, shared)
    if (kind == "enumerator" || kind == "member") {
        sub(/\.RE\n\001$/, "", part["types"])
        part["types"] = part["types"] ".TP\n.B " literal(declaration) "\n" (text == "" ? "\\&\n" : markup(text)) ".RE\n\001"
        last = ""
        return
    }
    if ((kind == "function" || kind == "type") && name != page_of(noun)) { names = names ", " name; lead[name] = page_of(noun) }
    add(kind == "function" ? "functions" : "types", declaration, text, number)
}
function sort(list, n,    i, j, t) { for (i = 2; i <= n; i++) for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t } }

function finish(noun,    file, page) {
    page = page_of(noun)
    file = out "/" page ".3"
    gsub(/\001/, "", part["types"]); gsub(/\001/, "", part["functions"])
    pages[++count] = page
    whole[page] = ".\\\" Made from include/orthsr/" noun ".h by docs/reference/man3.awk.\n" \
        ".TH " toupper(page) " 3 \"" date "\" \"orthsr " version "\" \"Library Functions Manual\"\n.nh\n.ad l\n" \
        ".SH NAME\n" page names " \\- " escape(summary) "\n" \
        ".SH SYNOPSIS\n.B #include <orthsr/" noun ".h>\n.PP\n.B cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs orthsr)\n" \
        ".SH DESCRIPTION\n" intro \
        (part["types"] != "" ? ".SH TYPES AND CONSTANTS\n" part["types"] : "") \
        (part["functions"] != "" ? ".SH FUNCTIONS\n" part["functions"] : "")
    delete part["types"]; delete part["functions"]
}
END {
    sort(pages, count)
    for (i = 1; i <= count; i++) {
        see = ".SH SEE ALSO\n"
        if (pages[i] != "orthsr") see = see ".BR orthsr (3),\n.BR orthsr_status (3),\n.BR orthsr (1)\n"
        else { see = see ".BR orthsr (1)"; for (j = 1; j <= count; j++) if (pages[j] != "orthsr") see = see ",\n.BR " pages[j] " (3)"; see = see "\n" }
        printf "%s%s", whole[pages[i]], see >(out "/" pages[i] ".3"); close(out "/" pages[i] ".3")
    }
    for (name in lead) { printf ".so man3/%s.3\n", lead[name] >(out "/" name ".3"); close(out "/" name ".3") }
}
