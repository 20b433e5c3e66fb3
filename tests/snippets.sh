#!/bin/sh
# Every block of code in README.md and docs/*.md is compiled and run. A page's blocks run in one directory, one after the other:
#   c        a program (it has a main) is compiled without a warning, as program.c, and run; functions (it includes something) are compiled; a fragment becomes
#            the body of tests/snippets/fragment.c and is run
#   sh       commands, each of which must succeed
#   console  "$ command" and below it what it prints on stdout, compared by tests/snippets/alike.awk: "..." is anything, a number is any number
#   json, text   only looked at by people
# A comment on the line before a block, which no reader of the page sees, says where it is different:
#   <!-- snippet: exact -->             the output is compared to the last blank and number
#   <!-- snippet: fails -->             the commands fail; what they print is stdout and the last line of stderr
#   <!-- snippet: unlike: the reason --> run, but the output is not compared
#   <!-- snippet: skip: the reason -->  not run
# The directory has small data under the names that the pages use: the models my-clip and examples/data/mini, folders of images my-images, flowers, flowers5,
# cifar10 and clothing10, the first images of Fashion-MNIST as fashion, daisy.jpg, runs of training as run, run1, run2 and run3. The tool is called for one epoch, and to
# measure one part once, unless a block says something else.
# usage: tests/snippets.sh BUILD [PAGE...]          (from the repository root)
set -u
root=$PWD
case $1 in /*) build=$1 ;; *) build=$root/$1 ;; esac
shift
[ $# -gt 0 ] || set -- README.md docs/*.md
work=$(mktemp -d /tmp/orthsr-snippets-XXXXXX)
trap 'rm -rf "$work"' EXIT
export LD_LIBRARY_PATH="$build/lib" PATH="$work/bin:$PATH" PKG_CONFIG_PATH="$work/pkgconfig" LC_ALL=C OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
mkdir "$work/bin" "$work/pkgconfig" "$work/data" "$work/blocks"

# ---- the tool, the library and the data ----------------------------------------------------------------------------------------
cat >"$work/bin/orthsr" <<END
#!/bin/sh
case "\$1 \$*" in
train*--epochs*) ;;
train*) set -- "\$@" --epochs 1 ;;
bench*--part*) set -- "\$@" --repetitions 1 ;;
bench*) set -- "\$@" --repetitions 1 --part texts ;;
esac
exec "$build/bin/orthsr" "\$@"
END
chmod +x "$work/bin/orthsr"
printf 'Name: orthsr\nDescription: the build\nVersion: 0\nCflags: -I%s/include\nLibs: -L%s/lib -lorthsr -lm\n' "$root" "$build" >"$work/pkgconfig/orthsr.pc"

# Some images of a class for each part; copies DIRECTORY CLASS NUMBER: train/CLASS and test/CLASS.
copies() {
    for part in train test; do
        mkdir -p "$1/$part/$2"
        set -- "$1" "$2" "$3" "$root"/tests/data/images/rgb8.png "$root"/tests/data/images/progressive.jpg "$root"/tests/data/images/palette8.png
        shots=0
        while [ $shots -lt "$3" ]; do
            cp "$4" "$1/$part/$2/0$shots.${4##*.}"
            shots=$((shots + 1))
            set -- "$1" "$2" "$3" "$5" "$6" "$4"
        done
    done
}
# The first N images and labels of a part of Fashion-MNIST: first PART N.
first() {
    from=/usr/share/datasets/fashion-mnist/$1
    byte=$(printf '%o' "$2")
    [ -f "$from-images-idx3-ubyte.gz" ] || { echo "snippets: $from-images-idx3-ubyte.gz is missing; install dataset-fashion-mnist"; exit 1; }
    { printf "\\0\\0\\10\\3\\0\\0\\0\\$byte\\0\\0\\0\\34\\0\\0\\0\\34"; zcat "$from-images-idx3-ubyte.gz" | tail -c +17 | head -c $(($2 * 784)); } >"$3/$1-images-idx3-ubyte"
    { printf "\\0\\0\\10\\1\\0\\0\\0\\$byte"; zcat "$from-labels-idx1-ubyte.gz" | tail -c +9 | head -c "$2"; } >"$3/$1-labels-idx1-ubyte"
}
data=$work/data
mkdir -p "$data/examples/data" "$data/fashion"
cp -R "$root/examples/data/mini" "$data/examples/data/mini"
cp -R "$root/examples/data/mini" "$data/my-clip"
for class in bag coat; do copies "$data/my-images" "$class" 1; done
for class in daisy dandelion rose sunflower tulip; do copies "$data/flowers" "$class" 3; copies "$data/flowers5" "$class" 1; done
echo 'no image' >"$data/flowers/test/tulip/07.jpg"
cp -R "$data/my-images" "$data/cifar10"
cp -R "$data/my-images" "$data/clothing10"
cp "$root/tests/data/images/rgb.jpg" "$data/daisy.jpg"
chmod -R u+w "$data" # of a read-only tree
first train 60 "$data/fashion"
first t10k 40 "$data/fashion"
printf '%s\n' t-shirt trouser pullover dress coat sandal shirt sneaker bag 'ankle boot' >"$data/fashion/classes.txt"

(cd "$data" && orthsr train --model my-clip --data fashion --shots 2 --classes base --out run >/dev/null 2>&1) || { echo 'snippets: cannot train'; exit 1; }
for i in 1 2 3; do cp -R "$data/run" "$data/run$i"; done

# ---- the blocks ---------------------------------------------------------------------------------------------------------------------
run_c() {
    flags='-std=c11 -Wall -Wextra -Werror -Wno-unused -Wno-missing-field-initializers'
    if grep -q 'int main(' "$1"; then cp "$1" program.c
    elif grep -q '^#include' "$1"; then
        cp "$1" functions.c
        ${CC:-cc} $flags -c functions.c $(pkg-config --cflags orthsr)
        return
    else awk -v body="$1" '$1 == "FRAGMENT" {while ((getline line < body) > 0) print line; next} {print}' "$root/tests/snippets/fragment.c" >program.c
    fi
    ${CC:-cc} $flags program.c -o program $(pkg-config --cflags --libs orthsr) && ./program
}
# "$ a command" and what it prints, by turns.
run_console() {
    awk -v out="$2" '/^\$ / {n++; print substr($0, 3) >(out ".command" n); printf "" >(out ".shown" n); next} n == 0 {print "the block begins without a command"; exit 1} {print >(out ".shown" n)}' "$1" || return 1
    turn=1
    while [ -f "$2.command$turn" ]; do
        case $3 in
        *fails*)
            if sh -e "$2.command$turn" >"$2.printed" 2>"$2.said" </dev/null; then echo "'$(cat "$2.command$turn")' succeeds, but should fail"; return 1; fi
            tail -n 1 "$2.said" >>"$2.printed"
            ;;
        *) sh -e "$2.command$turn" >"$2.printed" 2>"$2.said" </dev/null || { cat "$2.command$turn" "$2.printed" "$2.said"; return 1; } ;;
        esac
        # Nothing shown: nothing promised.
        case $3 in unlike*) : >"$2.shown$turn" ;; esac
        [ ! -s "$2.shown$turn" ] || awk -v exact="$(case $3 in *exact*) echo 1 ;; *) echo 0 ;; esac)" -f "$root/tests/snippets/alike.awk" "$2.shown$turn" "$2.printed" ||
            { echo "after: $(cat "$2.command$turn")"; return 1; }
        turn=$((turn + 1))
    done
}

bad=0 ran=0 skipped=0
for page in "$@"; do
    name=$(echo "${page%.md}" | tr / -)
    blocks=$work/blocks/$name
    mkdir "$blocks"
    awk -v out="$blocks" -f tests/snippets/blocks.awk "$page" || bad=1
    cp -R "$data" "$work/$name"
    for block in "$blocks"/*.c "$blocks"/*.sh "$blocks"/*.console; do
        [ -f "$block" ] && echo "$block"
    done | sort >"$blocks/list"
    while read -r block; do
        base=${block%.*} options=$(cat "${block%.*}.options")
        case ${block##*.}:$options in
        *:skip:\ ?*) skipped=$((skipped + 1)); continue ;;
        *: | console:exact | console:fails | 'console:exact, fails' | console:unlike:\ ?*) ;;
        *) echo "snippets: $page:$(cat "$base.line"): unknown option '$options'"; bad=1; continue ;;
        esac
        ran=$((ran + 1))
        if ! (cd "$work/$name" && case $block in
            *.c) run_c "$block" ;;
            *.sh) sh -e "$block" </dev/null ;;
            *.console) run_console "$block" "$base" "$options" ;;
            esac) >"$base.log" 2>&1; then
            echo "snippets: $page:$(cat "$base.line"):"
            sed 's/^/    /' "$base.log"
            bad=1
        fi
    done <"$blocks/list"
done
[ $bad = 1 ] || echo "snippets: $ran blocks of $# pages run, $skipped skipped"
exit $bad
