# blocks.awk - the fenced blocks of a markdown file, each in a file OUT/NNN.LANGUAGE; what the comment before it says goes into OUT/NNN.options, its line into
# OUT/NNN.line. A block in a language that is not known here is refused, so that none slips through.
# usage: awk -v out=DIRECTORY -f tests/snippets/blocks.awk FILE.md
/^<!-- snippet: .* -->$/ && !inside { options = $0; sub(/^<!-- snippet: /, "", options); sub(/ -->$/, "", options); next }
/^ *```/ && !inside {
    language = $0; sub(/^ *```/, "", language)
    if (language !~ /^(c|sh|console|json|text)$/) { print FILENAME ":" FNR ": a block of '" language "': c, sh, console, json and text are known"; bad = 1; language = "text" }
    inside = 1; file = sprintf("%s/%03d", out, ++n)
    printf "%s", "" >(file "." language)
    print options >(file ".options"); print FNR >(file ".line")
    close(file ".options"); close(file ".line")
    next
}
/^ *```$/ && inside { inside = 0; options = ""; close(file "." language); next }
inside { print >(file "." language); next }
$0 != "" && options != "" { print FILENAME ":" FNR ": a comment 'snippet: " options "' without a block below it"; bad = 1; options = "" }
END { exit bad }
