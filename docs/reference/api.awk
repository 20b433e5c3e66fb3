# api.awk - reads the public headers: what they declare, and which comment belongs to what. doxygen.awk, man3.awk and tests/abi/errors.awk build on it.
#
# How the headers are written (docs/extending.md has it in words):
#   The first comment is the header's prose: "/* noun.h - one line." and more. In it and in others lines indented by two blanks are items of a list, "term  what
#   it is", going on in lines indented further; those indented by three or more are set as they are.
#   A comment belongs to the declaration below it; one behind a declaration, an enumerator or a member to that.
#   In a paragraph, lines without a blank one among them, what lacks a comment with "Since" of its own has the paragraph's first comment beside it.
#
# A program that uses it defines
#   prose(noun, title, text)                           once for each header, before all else
#   item(kind, name, declaration, own, shared, number) kind: function, type, macro, enumerator or member (of the type before); number: of the paragraph
#   finish(noun)                                       after the last item of a header

function trim(s) { sub(/^[ \t]+/, "", s); sub(/[ \t]+$/, "", s); return s }

# All that is said of a declaration: its own comment, a sentence, and its paragraph's.
function said_of(own, shared) {
    sub(/^Setters\. /, "", own); sub(/^Setters\. /, "", shared)
    if (own == "" || shared == "") return own shared
    return own (own ~ /[.:;]$/ ? "" : ".") "\n" shared
}
function capital(s) { return toupper(substr(s, 1, 1)) substr(s, 2) }

# What a line of a comment is: "item" (term and what are set), "more" of one, "fixed", "empty" or "text". within: what the line before is.
function line_kind(line, within) {
    if (line == "") return "empty"
    if (line ~ /^  [^ ]/) {
        term = what = substr(line, 3)
        if (!sub(/   *[^ ].*$/, "", term)) { term = ""; return "item" }
        what = trim(substr(what, length(term) + 1))
        return "item"
    }
    if (line ~ /^   /) return within == "item" || within == "more" ? "more" : "fixed"
    return "text"
}

# A comment's text without its marks; lines keep what they are indented by beyond the first blank.
function strip(s) { sub(/^[ \t]*\/\*+ ?/, "", s); sub(/[ \t]*\*\/[ \t]*$/, "", s); gsub(/\n[ \t]*\* ?/, "\n", s); sub(/\n$/, "", s); return s }

# The comment that begins in rest, which may go on for some lines.
function take_comment(rest,    text) {
    text = rest
    while (text !~ /\*\//) {
        if ((getline line) <= 0) { print FILENAME ": a comment without an end" >"/dev/stderr"; exit 1 }
        text = text "\n" line
    }
    return strip(text)
}

# Splits code and a comment behind it: the code is returned, the comment left in behind.
function split_behind(s,    at) {
    behind = ""
    at = index(s, "/*")
    if (!at) return trim(s)
    behind = take_comment(substr(s, at))
    return trim(substr(s, 1, at - 1))
}

function declare(kind, name, text, own) {
    if (own == "") own = pending
    else if (pending != "" && pending != first) own = pending "\n" own
    if (own == first && own != "") shared = ""
    else shared = own ~ /Since[ \n][0-9]/ ? "" : first
    item(kind, name, text, own, shared, paragraph)
    pending = ""
}

# The braces of a typedef: an enumerator or a member a line.
function take_body(kind,    code, n, parts, i, name) {
    while ((getline line) > 0) {
        if (line ~ /^}/) return line
        if (line ~ /^[ \t]*\/\*/) { body[++bodies] = "comment\t" take_comment(line); continue }
        code = split_behind(line)
        if (code == "") continue
        sub(/[,;]$/, "", code)
        body[++bodies] = code "\t" behind
    }
    return ""
}

FNR == 1 {
    if (noun != "") finish(noun)
    noun = FILENAME; sub(/.*\//, "", noun); sub(/\.h$/, "", noun)
    pending = first = ""; paragraph++
    text = take_comment($0)
    title = text; sub(/\n.*/, "", title); sub(/^[a-z_]*\.h - /, "", title)
    if (!sub(/^[^\n]*\n/, "", text)) text = ""
    # The title may go on in the second line.
    while (text !~ /^\n/ && text != "" && title !~ /[.:;]$/) { rest = text; sub(/\n.*/, "", rest); title = title " " trim(rest); if (!sub(/^[^\n]*\n/, "", text)) text = "" }
    prose(noun, title, text)
    next
}
/^[ \t]*$/ { pending = first = ""; paragraph++; next }
/^\/\*/ {
    comment = take_comment($0)
    if (first == "" && pending == "" && !declared[paragraph]) first = comment
    else if (pending != "" && pending == first) ; # the first one belongs to the whole paragraph
    pending = comment
    next
}
/^#[ \t]*define [A-Z_]+_H$/ { next }
/^#define / {
    code = split_behind($0)
    name = code; sub(/^#define /, "", name); sub(/[^A-Za-z0-9_].*/, "", name)
    if (!((noun, name) in seen)) { seen[noun, name] = 1; declared[paragraph] = 1; declare("macro", name, code, behind) }
    next
}
/^(ORTHSR_API|typedef) / {
    line = $0; text = ""; bodies = 0; kind = /^ORTHSR_API/ ? "function" : "type"
    if (line ~ /^typedef (enum|struct).*{$/) {
        text = line
        line = take_body()
        text = text " ... " ; 
        code = split_behind(line)
        name = code; gsub(/[};]/, "", name); name = trim(name)
        what = $0 ~ /^typedef enum/ ? "enum" : "struct"
        declared[paragraph] = 1
        declare("type", name, "typedef " what " " name, behind)
        for (i = 1; i <= bodies; i++) {
            code = body[i]; sub(/\t.*/, "", code); own = body[i]; sub(/^[^\t]*\t/, "", own)
            if (code == "comment") { pending = own; continue }
            name = code; sub(/ = .*/, "", name); if (what == "struct") { sub(/\[.*/, "", name); sub(/.*[ *]/, "", name) }
            if (own == "" ) own = pending
            item(what == "enum" ? "enumerator" : "member", name, code, own, "", paragraph)
            pending = ""
        }
        next
    }
    code = split_behind(line)
    while (code !~ /;$/) {
        text = text code " "
        if ((getline line) <= 0) { print FILENAME ": a declaration without an end" >"/dev/stderr"; exit 1 }
        code = split_behind(line)
    }
    text = text code
    sub(/^ORTHSR_API /, "", text)
    name = text
    if (text ~ /^typedef [^(]*\(\*/) { sub(/^[^(]*\(\*/, "", name); sub(/\).*/, "", name) }
    else if (kind == "type") { sub(/;$/, "", name); sub(/.*[ *]/, "", name) }
    else { sub(/ *\(.*/, "", name); sub(/.*[ *]/, "", name) }
    declared[paragraph] = 1
    declare(kind, name, text, behind)
}
END { if (noun != "") finish(noun) }
