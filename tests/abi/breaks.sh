#!/bin/sh
# That the ABI check can fail: each kind of break is made in a copy of the tree and must be found, by the part of the check that is named; and what may
# change must pass. Builds without optimisation, since types do not depend on it.
# usage: tests/abi/breaks.sh BUILD          (from the repository root, by `make check-abi-breaks`)
set -u
work=$1/abi-breaks base=$1/abi-breaks/base tree=$1/abi-breaks/tree bad=0
command -v abidiff >/dev/null || { echo 'abi-breaks: needs abidiff (Debian: abigail-tools)'; exit 1; }
rm -rf "$work"
mkdir -p "$base/examples/data"
cp -rp Makefile include lib pkgconfig docs tests "$base"
cp -rp examples/data/mini "$base/examples/data"

# The library as it is, and its own baseline: what is tested here is the check, not the surface.
build_and() { (cd "$1" && ${MAKE:-make} -j2 -s lib B=build CFLAGS=-O0 && "$2" build) >"$work/log" 2>&1; }
build_and "$base" tests/abi/baseline.sh || { cat "$work/log"; exit 1; }

# may WHAT EDIT and must_not WHAT FOUND_BY EDIT: EDIT, a function, changes the copy it is called in.
edited() {
    rm -rf "$tree" && cp -rp "$base" "$tree"
    (cd "$tree" && "$1") && ! diff -rq "$base" "$tree" >/dev/null || { echo "abi-breaks: $1 changed nothing"; exit 1; }
}
may() {
    edited "$2"
    if build_and "$tree" tests/abi/check.sh; then echo "abi-breaks: passes: $1"; else cat "$work/log" && echo "abi-breaks: NOT ALLOWED: $1" && bad=1; fi
}
must_not() {
    edited "$3"
    if build_and "$tree" tests/abi/check.sh || ! grep -q "^abi: .*$2" "$work/log"; then cat "$work/log" && echo "abi-breaks: NOT FOUND: $1" && bad=1
    else echo "abi-breaks: found: $1"; fi
}

# A function more, for the cases below.
add_function() {
    sed -i 's/^ORTHSR_API void orthsr_free.*/&\nORTHSR_API int orthsr_zero(void);/' include/orthsr/status.h
    sed -i '$a #include <orthsr/status.h>\nint orthsr_zero(void) { return 0; }' lib/base/memory.c
    echo orthsr_zero | LC_ALL=C sort -o tests/abi/symbols.txt - tests/abi/symbols.txt
}

grow_a_private_struct() { sed -i 's/^struct orthsr_adapter {/&\n    double more[3];/' lib/adapter/adapter.h; }
add_an_enumerator() { sed -i 's/ORTHSR_CUTOUT_NOISE = 2/& , ORTHSR_CUTOUT_GRAY = 3/' include/orthsr/cutout.h; }
add_in_a_new_node() { add_function && echo 'ORTHSR_0.2 { global: orthsr_zero; } ORTHSR_0.1;' >>lib/liborthsr.map; }

type_of_a_field() { sed -i 's/    char message\[1024\];/    unsigned char message[1024];/' include/orthsr/status.h; }
field_more() { sed -i 's|^    size_t width;  /\* columns \*/|&\n    size_t depth;|' include/orthsr/cutout.h; }
enumerator_of_a_result() { sed -i 's/_IO = -3/_IO = -33/; s/_FORMAT = -4/_FORMAT = -3/; s/-33/-4/' include/orthsr/status.h; }
enumerator_of_an_argument() { sed -i 's/RETRACTION_POLAR = 3/RETRACTION_POLAR = 4/' include/orthsr/ortho.h; }
enumerator_gone() { sed -i '/ORTHSR_CUTOUT_NOISE = 2/d' include/orthsr/cutout.h && sed -i 's/ORTHSR_CUTOUT_NOISE/2/' lib/*/*.c; }
type_of_a_parameter() { sed -i '/orthsr_optimizer_step(/,/;\|{/s/float lr/double lr/' include/orthsr/optimizer.h lib/train/*.c && sed -i '/orthsr_optimizer_step(/,/{/s/float lr/double lr/' lib/*/*.c; }
type_of_a_size() { sed -i 's/orthsr_skew_size(size_t b)/orthsr_skew_size(unsigned b)/' include/orthsr/ortho.h lib/*/*.c; }
type_of_a_return() { sed -i 's/^\(ORTHSR_API \)*int orthsr_version_number/\1long orthsr_version_number/' include/orthsr/version.h lib/*/*.c; }
type_in_a_callback() { sed -i 's/(\*orthsr_evaluation_callback)(size_t done/(*orthsr_evaluation_callback)(int done/' include/orthsr/evaluation.h; }
value_of_a_macro() { sed -i 's/MAX_RANK 8/MAX_RANK 16/' include/orthsr/array.h; }
symbol_removed() {
    sed -i '/^    orthsr_free;/d' lib/liborthsr.map && sed -i '/^orthsr_free$/d' tests/abi/symbols.txt && sed -i '/^ORTHSR_API void orthsr_free/d' include/orthsr/status.h
}
symbol_hidden() { sed -i '/^    orthsr_free;/d' lib/liborthsr.map; }
symbol_to_a_new_node() { symbol_hidden && echo 'ORTHSR_0.2 { global: orthsr_free; } ORTHSR_0.1;' >>lib/liborthsr.map; }
symbol_into_a_released_node() { add_function && sed -i 's/^    orthsr_version_string;/&\n    orthsr_zero;/' lib/liborthsr.map; }
node_without_parent() { add_function && echo 'ORTHSR_0.2 { global: orthsr_zero; };' >>lib/liborthsr.map; }
another_soname() { echo 99 >lib/so_version; }
struct_with_fields() { sed -i 's/^typedef struct orthsr_prompt orthsr_prompt;/typedef struct orthsr_pair {\n    int a, b;\n} orthsr_pair;\n&/' include/orthsr/prompt.h; }
exported_data() { sed -i '$a extern int orthsr_data; __attribute__((visibility("default"))) int orthsr_data;' lib/base/memory.c && sed -i 's/^    orthsr_free;/&\n    orthsr_data;/' lib/liborthsr.map; }
stranger_in_the_archive() { sed -i '$a int stranger(void); int stranger(void) { return 0; }' lib/base/memory.c; }

may 'a private struct grows' grow_a_private_struct
may 'an enumerator is added' add_an_enumerator
may 'a function is added in a node of its own' add_in_a_new_node
must_not 'type of a field' 'types, functions' type_of_a_field
must_not 'a field more' 'types, functions' field_more
must_not "value of an enumerator that is returned" 'types, functions' enumerator_of_a_result
must_not "value of an enumerator that is an argument" 'types, functions' enumerator_of_an_argument
must_not 'an enumerator removed' 'types, functions' enumerator_gone
must_not 'type of a parameter' 'types, functions' type_of_a_parameter
must_not 'type of a size' 'types, functions' type_of_a_size
must_not 'type of a return value' 'types, functions' type_of_a_return
must_not "type of a callback's parameter" 'types, functions' type_in_a_callback
must_not 'value of a macro' 'these macros' value_of_a_macro
must_not 'a symbol removed everywhere' 'types, functions' symbol_removed
must_not 'the same, by a program of the first release' 'a program of the first' symbol_removed
must_not 'a symbol hidden' 'exported symbols differ' symbol_hidden
must_not 'a symbol moved to a new node' 'may not change' symbol_to_a_new_node
must_not 'a symbol added to a released node' 'may not change' symbol_into_a_released_node
must_not 'a node that inherits nothing' 'does not inherit' node_without_parent
must_not 'another SONAME' 'types, functions or the SONAME' another_soname
must_not 'a struct with fields, not promised' 'has fields' struct_with_fields
must_not 'data exported' 'data is exported' exported_data
must_not 'a name of its own in the archive' 'lacks the prefix' stranger_in_the_archive
exit $bad
