# liborthsr: hand-written, GNU make. `make` prints help; everything is built under build/.

VERSION   := $(shell sed -n 's/.*ORTHSR_VERSION_STRING "\(.*\)"/\1/p' include/orthsr/version.h)
SOVERSION := $(shell cat lib/so_version)

# GNU directory variables; PREFIX is accepted as well as prefix.
PREFIX       ?= /usr/local
prefix       ?= $(PREFIX)
exec_prefix  ?= $(prefix)
bindir       ?= $(exec_prefix)/bin
libdir       ?= $(exec_prefix)/lib
includedir   ?= $(prefix)/include
datarootdir  ?= $(prefix)/share
mandir       ?= $(datarootdir)/man
bashcompletiondir ?= $(datarootdir)/bash-completion/completions
zshcompletiondir  ?= $(datarootdir)/zsh/site-functions
docdir       ?= $(datarootdir)/doc/orthsr
pkgconfigdir ?= $(libdir)/pkgconfig
cmakedir     ?= $(libdir)/cmake/orthsr
DESTDIR      ?=
INSTALL      ?= install
INSTALL_PROGRAM ?= $(INSTALL) -m 755
INSTALL_DATA    ?= $(INSTALL) -m 644

B := build

# ---- packages ------------------------------------------------------------------------------------------------------
PACKAGES       := gcc libc6-dev pkg-config libopenblas-dev liblapacke-dev zlib1g-dev libjansson-dev libjpeg62-turbo-dev \
                  libpng-dev libutf8proc-dev libcairo2-dev
DEMO_PACKAGES  := $(PACKAGES) dataset-fashion-mnist
# gfortran: LAPACK's runtime library, which pkg-config --static asks for. python3: an example calls the library through its ctypes.
CHECK_PACKAGES := $(DEMO_PACKAGES) check valgrind g++ gfortran abigail-tools cmake doxygen groff-base python3 tidy tmux zsh openmpi-bin libopenmpi-dev
BUILD_PACKAGES := $(CHECK_PACKAGES) clang libopenblas-pthread-dev libopenblas-openmp-dev libopenblas-serial-dev libblas-dev liblapack-dev
# What the packages are built with is said in one place, so that a fresh machine shows what is missing there.
DEB_PACKAGES   := build-essential lintian $(shell sed -n '/^Build-Depends:/,/^Standards/{s/^Build-Depends://; /^Standards/d; s/-compat[^,]*//; s/<[^>]*>//g; s/,/ /g; p}' pkgconfig/debian/control)

# ---- flags: ours first, the user's appended -------------------------------------------------------------------------
# The first is the one with cblas.h, which the tool too asks for.
MODULES  := openblas lapacke zlib jansson libjpeg libpng libutf8proc
# The tool's own, beside the library's; cairo draws its pages.
TOOL_MODULES = $(firstword $(MODULES)) jansson libpng libjpeg cairo-svg cairo
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wconversion
# -fno-math-errno and -fno-trapping-math change no result; they let loops over sqrt and comparisons vectorise. -fopenmp-simd only
# honours "omp simd", which says where a sum may be taken in another order; no OpenMP runtime comes in.
# clang knows no such cost model, and says so; it says, too, which of those loops it leaves as they are, which is its choice.
TEST_WARNINGS := $(if $(findstring clang,$(shell $(CC) --version)),,-Wno-format-truncation)
COST_MODEL := $(if $(findstring clang,$(shell $(CC) --version)),-Wno-pass-failed,-fvect-cost-model=dynamic)
override CFLAGS   := -std=c11 -O2 -ftree-vectorize $(COST_MODEL) -g -fPIC -fvisibility=hidden -ffunction-sections -fno-math-errno -fno-trapping-math -fopenmp-simd \
                     -fno-semantic-interposition -fstack-protector-strong -pthread $(WARNINGS) $(CFLAGS)
# Checked copies where sizes are known: of use with optimisation only, and not beside a sanitizer; the user's own choice stands.
FORTIFY := $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS))$(findstring -fsanitize,$(CFLAGS))$(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
override CPPFLAGS := -Iinclude -Ilib -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(FORTIFY) $(CPPFLAGS)
PC_CFLAGS  = $(shell pkg-config --cflags $(MODULES))
PC_LIBS    = $(shell pkg-config --libs $(MODULES)) -lm
CHECK_LIBS = $(shell pkg-config --libs check)

# ---- files ---------------------------------------------------------------------------------------------------------
HEADERS   := $(wildcard include/orthsr/*.h)
LIB_SRC   := $(wildcard lib/*/*.c)
LIB_OBJ   := $(LIB_SRC:%.c=$B/obj/%.o)
# The same sources with real = double, for gradient checks; an api.c is only the float32 face of kernels.
DOUBLE_OBJ := $(patsubst %.c,$B/obj64/%.o,$(filter-out %/api.c,$(LIB_SRC)))
TOOL_OBJ  := $(patsubst %.c,$B/obj/%.o,$(wildcard examples/orthsr/*.c))
DEMO_OBJ  := $(patsubst %.c,$B/obj/%.o,$(wildcard examples/demo/*.c) $(addprefix examples/orthsr/,chart.c details.c gallery.c html.c \
             output.c page.c page_classes.c page_curves.c page_model.c page_scores.c picture.c report.c rotation.c run_log.c tally.c terminal.c whole.c))
# train_mpi needs a compiler for MPI, and is left out without one.
MPICC     := $(shell command -v mpicc)
EXAMPLES  := $(patsubst examples/%.c,$B/bin/%,$(if $(MPICC),$(wildcard examples/*.c),$(filter-out %_mpi.c,$(wildcard examples/*.c))))
TESTS     := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/test_*.c))
GRADS     := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/grad_*.c))
FUZZ      := $(notdir $(wildcard tests/fuzz/corpus/*))
REPLAYS   := $(FUZZ:%=$B/tests/fuzz/%)
BENCHES   := $B/bench/open $B/bench/retraction $B/bench/stream
TEST_UTIL := $(wildcard tests/util/*.h)
MAN1      := $(wildcard docs/man/*.1)
MAN3      := $B/man/man3/.made

SO_REAL := liborthsr.so.$(SOVERSION).$(VERSION)
SO_NAME := liborthsr.so.$(SOVERSION)
SHARED  := $B/lib/$(SO_REAL)
STATIC  := $B/lib/liborthsr.a
CORE    := $B/lib/libortho.a
CORE64  := $B/lib/libortho64.a

.DEFAULT_GOAL := help
.PHONY: help all lib docs demo check tests test fuzz valgrind install uninstall installcheck dist distcheck clean bench bench-method fmt lint deps-demo deps-check .FORCE check-asan check-oom check-faults check-all coverage covered sanitized analyze deps-analyze deps-coverage
.PHONY: check-abi check-abi-breaks abi-baseline check-headers check-builds check-release deb deps-build deps-deb
.PHONY: check-tsan figures figure-of-report check-mpi
.DELETE_ON_ERROR:

help:
	@echo 'liborthsr $(VERSION)'
	@echo
	@echo '  make demo          install missing Debian packages, build, adapt a small CLIP on real images (3 minutes)'
	@echo '  make check         the same, then every test, also under valgrind, and an installation test'
	@echo '  make all           libraries, the orthsr tool and the examples, into $B/'
	@echo '  make install       PREFIX=$(PREFIX), DESTDIR and the GNU directory variables are honoured'
	@echo '  make uninstall     removes what install wrote'
	@echo '  make fuzz          every reader under libFuzzer (clang), each for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo '  make installcheck  builds and runs the examples against an installation, through pkg-config'
	@echo '  make check-tsan    many threads on one model under ThreadSanitizer, in a build of its own'
	@echo '  make check-mpi     training by several ranks, killed, stopped, refused, on hosts of their own'
	@echo '  make bench         timings of the parts'
	@echo '  make bench-method  the numbers of the README and the tables of docs/results.md: seeds 1, 2, 3'
	@echo '  make docs          the headers as a book, $B/docs/html, and as manual pages, $B/man/man3'
	@echo '  make figures       the pictures of docs/, from the results in docs/results'
	@echo '  make dist          $B/orthsr-$(VERSION).tar.gz;  make distcheck  builds, checks and installs from it'
	@echo '  make deb           Debian packages, into $B/deb/'
	@echo '  make check-abi     the library against the stored baseline;  make check-headers  each public header alone (both are part of check)'
	@echo '  make check-release what a release needs beside check: compilers and BLAS libraries, deliberate ABI breaks, distcheck, deb'
	@echo '  make check-asan    the tests under the address and undefined behaviour sanitizers;  make check-oom, check-faults  every allocation and'
	@echo '                     every call on a file fails once;  make coverage  lines and branches;  make analyze  clang-tidy'
	@echo '  make check-all     check, and all of these'
	@echo '  make fmt, lint     clang-format, cppcheck;  make clean  removes $B/'
	@echo
	@echo '  CFLAGS, CPPFLAGS, LDFLAGS are appended to ours, e.g. make all CFLAGS=-march=native'

all: lib $B/bin/orthsr $B/bin/demo $(EXAMPLES)
lib: $(SHARED) $(STATIC) $(CORE) $B/orthsr-uninstalled.pc

# ---- compiling -----------------------------------------------------------------------------------------------------
$B/obj/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PC_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$B/obj64/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(CC) -DORTHSR_DOUBLE $(CPPFLAGS) $(PC_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Examples see the public headers only.
EXAMPLE_CPPFLAGS = $(filter-out -Ilib,$(CPPFLAGS))
$B/obj/examples/%.o: examples/%.c
	@mkdir -p $(@D)
	$(CC) $(EXAMPLE_CPPFLAGS) $(shell pkg-config --cflags $(TOOL_MODULES) zlib) $(CFLAGS) -MMD -MP -c -o $@ $<

$(SHARED): $(LIB_OBJ) lib/liborthsr.map lib/so_version
	@mkdir -p $(@D)
	$(CC) -shared -Wl,-soname,$(SO_NAME) -Wl,--version-script=lib/liborthsr.map -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,--gc-sections \
	  $(CFLAGS) $(LDFLAGS) -o $@ $(LIB_OBJ) $(PC_LIBS)
	ln -sf $(SO_REAL) $B/lib/$(SO_NAME)
	ln -sf $(SO_NAME) $B/lib/liborthsr.so

$(STATIC) $(CORE): $(LIB_OBJ)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^

$(CORE64): $(DOUBLE_OBJ)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $^

# Programs find the library beside them; they lie anywhere in memory, and their tables are read-only once they are filled.
RPATH := -Wl,-rpath,'$$ORIGIN/../lib'
PIE   := -pie -Wl,-z,relro -Wl,-z,now
$B/bin/orthsr: $(TOOL_OBJ) $(SHARED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(TOOL_OBJ) -L$B/lib -lorthsr $(RPATH) $(PIE) $(shell pkg-config --libs $(TOOL_MODULES)) -lm

$B/bin/demo: $(DEMO_OBJ) $(SHARED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(DEMO_OBJ) -L$B/lib -lorthsr $(RPATH) $(PIE) $(shell pkg-config --libs $(TOOL_MODULES) zlib) -lm

$B/bin/%_mpi: examples/%_mpi.c $(SHARED)
	@mkdir -p $(@D)
	OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(EXAMPLE_CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(SHARED) $(RPATH) $(PIE)
$B/bin/%: $B/obj/examples/%.o $(SHARED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -L$B/lib -lorthsr $(RPATH) $(PIE) $(shell pkg-config --libs zlib) -lm

# ---- tests ---------------------------------------------------------------------------------------------------------
$B/tests/test_%: tests/test_%.c $(TEST_UTIL) $(CORE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) $(TEST_WARNINGS) -o $@ $< $(CORE) $(PC_LIBS) $(CHECK_LIBS)

$B/tests/test_determinism: | $B/tests/no_blas.so
$B/tests/no_blas.so: tests/util/no_blas.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $<

# Calls on files go by tests/faults/shim.c: within the program, and for the tool as LD_PRELOAD.
$B/tests/test_faults: $B/obj/tests/faults/shim.o $B/tests/faults.so $B/bin/orthsr
$B/tests/test_faults: private override LDFLAGS += $B/obj/tests/faults/shim.o
$B/obj/tests/faults/shim.o: tests/faults/shim.c tests/faults/shim.h
	@mkdir -p $(@D)
	$(CC) $(filter-out -D_FILE_OFFSET_BITS=64,$(CPPFLAGS)) -U_FORTIFY_SOURCE -Itests $(CFLAGS) -c -o $@ $<  # both names of open, stat, ..., and none of their own checks
$B/tests/faults.so: $B/obj/tests/faults/shim.o
	@mkdir -p $(@D)
	$(CC) -shared $(CFLAGS) -o $@ $<

$B/tests/grad_%: tests/grad_%.c $(TEST_UTIL) $(CORE64)
	@mkdir -p $(@D)
	$(CC) -DORTHSR_DOUBLE $(CPPFLAGS) -Itests $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) $(TEST_WARNINGS) -o $@ $< $(CORE64) $(PC_LIBS) $(CHECK_LIBS)

# A fuzz target with a main of its own: the corpus, and a fixed number of changes of it (tests/fuzz/replay.c).
FUZZ_COMMON := tests/fuzz/files.c lib/base/file.c $(wildcard tests/fuzz/*.h)
$B/tests/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(FUZZ_COMMON) $(CORE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< tests/fuzz/replay.c tests/fuzz/files.c $(CORE) $(PC_LIBS)

# The same under libFuzzer, and with all that reads checked by the sanitizers; what only computes is as it is, which saves minutes of compiling.
# FUZZ_TARGETS picks some of them.
FUZZ_PLAIN   := lib/base/gemm.c $(filter-out lib/train/checkpoint.c lib/train/run.c,$(wildcard lib/ops/*.c lib/ortho/*.c lib/train/*.c))
FUZZ_CHECKED := $(filter-out lib/base/file.c $(FUZZ_PLAIN),$(LIB_SRC))
FUZZ_CC      := clang
FUZZ_SECONDS := 60
FUZZ_TARGETS := $(FUZZ)
FUZZ_CFLAGS   = $(filter-out -fvect-cost-model=%,$(CFLAGS))
FUZZ_FLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -D__SANITIZE_ADDRESS__ -Wno-unknown-warning-option -Wno-pass-failed
$B/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(CPPFLAGS) -Itests $(PC_CFLAGS) $(FUZZ_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
$B/fuzz/%: $B/fuzz/obj/tests/fuzz/%.o $B/fuzz/obj/tests/fuzz/files.o $(FUZZ_CHECKED:%.c=$B/fuzz/obj/%.o) $(FUZZ_PLAIN:%.c=$B/obj/%.o)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(PC_LIBS)
fuzz: $(FUZZ_TARGETS:%=$B/fuzz/%) $(FUZZ_TARGETS:%=$B/tests/fuzz/%)
	tests/fuzz/run.sh $B $(FUZZ_SECONDS) $(FUZZ_TARGETS)
.PRECIOUS: $B/fuzz/obj/%.o

$B/bench/%: tests/bench/%.c tests/bench/bench.h $(CORE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(CORE) $(PC_LIBS)

$B/bench/%_mpi: tests/bench/%_mpi.c examples/train_mpi.c $(SHARED)
	@mkdir -p $(@D)
	OMPI_CC="$(CC)" MPICH_CC="$(CC)" $(MPICC) $(EXAMPLE_CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(SHARED) $(RPATH) $(PIE)

# On the demo's data; method reads options as the tool does. choose, how the demo's settings were chosen, is run by hand and takes some minutes.
$B/bench/method: $(filter-out %/main.o,$(TOOL_OBJ))
$B/bench/method $B/bench/choose: $B/bench/%: tests/bench/%.c tests/bench/bench.h examples/demo/fashion.c examples/demo/camera.c $(CORE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.o,$^) $(CORE) $(PC_LIBS) $(shell pkg-config --libs $(TOOL_MODULES))

-include $(LIB_OBJ:.o=.d) $(DOUBLE_OBJ:.o=.d) $(TOOL_OBJ:.o=.d) $(DEMO_OBJ:.o=.d)

# ---- what people run -------------------------------------------------------------------------------------------------
# Packages first, by a make of its own: pkg-config may only appear with them.
define install_packages
	@missing=; for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "needed, under this system's own names:$$missing"; exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then sudo=; elif sudo -n true 2>/dev/null; then sudo='sudo -n'; \
	else echo "missing packages; please run:  sudo apt-get install -y --no-install-recommends$$missing"; exit 1; fi; \
	echo "installing$$missing"; $$sudo apt-get update -q >/dev/null; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing >/dev/null
endef

deps-demo:
	$(call install_packages,$(DEMO_PACKAGES))
deps-check:
	$(call install_packages,$(CHECK_PACKAGES))
deps-analyze:
	$(call install_packages,$(PACKAGES) clang-tidy cppcheck)
deps-coverage:
	$(call install_packages,$(CHECK_PACKAGES) gcovr)
deps-build:
	$(call install_packages,$(BUILD_PACKAGES))
deps-deb:
	$(call install_packages,$(DEB_PACKAGES))

demo: deps-demo
	@$(MAKE) --no-print-directory -s -j2 all
	$B/bin/demo $B/demo

check: deps-check
	@$(MAKE) --no-print-directory -s -j2 tests
	@$(MAKE) --no-print-directory -s test valgrind installcheck docs

tests: all $(TESTS) $(GRADS) $(REPLAYS)
test: tests $(MAN3)
	tests/run.sh $B $(TESTS) $(GRADS) $(REPLAYS)

# OpenBLAS kernels for processors newer than valgrind knows would stop it; our own are picked by what valgrind reports.
valgrind: $(TESTS)
	OPENBLAS_CORETYPE=Haswell OPENBLAS_NUM_THREADS=1 tests/valgrind.sh $B $(TESTS)

# A build of its own; the library's kernels are instrumented, OpenBLAS is not.
check-tsan: deps-check
	@$(MAKE) --no-print-directory -s -j2 B=$B/tsan CFLAGS=-fsanitize=thread $B/tsan/bin/serve_threads $B/tsan/tests/test_serving $B/tsan/tests/test_collective $B/tsan/tests/race
	tests/tsan.sh $B/tsan
$B/tests/race: tests/race.c $(CORE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(CORE) $(PC_LIBS)

# Address and undefined behaviour sanitizers, leaks too, over the test programs; what takes long or wants memory of its own is cut short as under valgrind.
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
check-asan: deps-check
	@$(MAKE) --no-print-directory -s -j2 B=$B/asan CFLAGS='$(SANITIZERS)' sanitized
sanitized: $(TESTS) $(GRADS) $B/bin/orthsr
	tests/asan.sh $B $(TESTS) $(GRADS)

# Several ranks: test runs a part of it. mpi_hosts.sh wants root, for network namespaces.
check-mpi: all
	tests/mpi.sh $B 20
	tests/mpi_hosts.sh $B

# Every allocation, and every call on a file, fails: test runs some of them, this all.
check-oom: $B/tests/test_oom
	ORTHSR_TEST_FULL=1 $B/tests/test_oom
check-faults: $B/tests/test_faults
	ORTHSR_TEST_FULL=1 $B/tests/test_faults

# Lines and branches of lib/ that the tests run (gcovr): a build of its own, and the figures at the end; $B/coverage/html/index.html shows which.
coverage: deps-coverage
	@$(MAKE) --no-print-directory -s -j2 B=$B/coverage CFLAGS='--coverage -fprofile-update=atomic -O1' covered
covered: tests
	tests/coverage.sh $B $(filter-out %/test_determinism,$(TESTS)) $(GRADS) $(REPLAYS) # whose golden bits are those of the usual flags

# What takes too long for check.
check-all: check
	@$(MAKE) --no-print-directory -s check-mpi check-asan check-tsan analyze check-oom check-faults coverage

bench: all $(BENCHES)
	@for b in "$B/bin/orthsr bench --model examples/data/mini" $(BENCHES); do echo "== $$b"; env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $$b || exit 1; done

# The README's numbers, and the tables of docs/results.md; METHOD_MODEL and METHOD_DATA for another CLIP and directories of images.
METHOD_MODEL := examples/data/mini
METHOD_DATA  := fashion
METHOD_FLAGS :=
bench-method: deps-demo
	@$(MAKE) --no-print-directory -s -j2 all $B/bench/method
	$B/bin/demo $B/bench-method --seeds 1,2,3
	rm -f $B/bench-method/*.csv
	for t in methods ablations rates; do \
	  env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $B/bench/method --model $(METHOD_MODEL) $(METHOD_DATA:%=--data %) --arms tests/bench/arms/$$t \
	    --out $B/bench-method/$$t.csv $(METHOD_FLAGS) || exit 1; \
	done
	for t in methods ablations rates; do echo; awk -F, -f tests/bench/method.awk $B/bench-method/$$t.csv; done

# ---- the reference: made from the headers, so that there is one text -----------------------------------------------------
$(MAN3): $(HEADERS) docs/reference/api.awk docs/reference/man3.awk docs/man/orthsr.1
	@rm -rf $(@D) && mkdir -p $(@D)
	awk -v out=$(@D) -v version=$(VERSION) -v date="$$(sed -n 's/^.TH ORTHSR 1 "\([^"]*\)".*/\1/p' docs/man/orthsr.1)" \
	  -f docs/reference/api.awk -f docs/reference/man3.awk $(HEADERS)
	@touch $@

docs: $(MAN3)
	@command -v doxygen >/dev/null || { echo 'make docs needs doxygen; please run:  sudo apt-get install -y --no-install-recommends doxygen'; exit 1; }
	@rm -rf $B/docs && mkdir -p $B/docs
	VERSION=$(VERSION) doxygen docs/reference/Doxyfile
	@echo $B/docs/html/index.html

# The pictures of docs/, from the results that are committed; nothing is measured.
FIGURE_PACKAGES := gnuplot-nox
RESULTS := docs/results
FIGURES := docs/figures
figures:
	$(call install_packages,$(FIGURE_PACKAGES))
	gnuplot -e "csv='$(RESULTS)/mini-rates.csv'; svg='$(FIGURES)/learning-rate.svg'" tests/bench/rates.gp
	gnuplot -e "csv='$(RESULTS)/kite-rates.csv'; svg='$(FIGURES)/learning-rate-kite.svg'" tests/bench/rates.gp
	gnuplot -e "csv='$(RESULTS)/kite-methods.csv'; svg='$(FIGURES)/methods-kite.svg'; arms='zero-shot:CoOp:OrthSR:unconstrained'" tests/bench/methods.gp
	gnuplot -e "csv='$(RESULTS)/scaling.csv'; svg='$(FIGURES)/scaling.svg'" tests/bench/scaling.gp
	gnuplot -e "csv='$(RESULTS)/compare.csv'; svg='$(FIGURES)/compare.svg'" tests/bench/compare.gp
	gnuplot -e "csv='$(RESULTS)/demo.csv'; svg='$(FIGURES)/demo.svg'" tests/bench/demo.gp
	gnuplot -e "csv='$(RESULTS)/ranks.csv'; svg='$(FIGURES)/ranks.svg'" tests/bench/ranks.gp

# The README's picture of a page: the top of the demo's, as it was written last.
figure-of-report:
	$(call install_packages,chromium fonts-dejavu-core)
	chromium --headless --no-sandbox --hide-scrollbars --blink-settings=preferredColorScheme=1 --force-device-scale-factor=0.75 --window-size=1280,1316 \
	  --screenshot=$(FIGURES)/report.png file://$(CURDIR)/$B/demo/report.html

# ---- installing --------------------------------------------------------------------------------------------------------
# Without any shared library gfortran's printing wants libquadmath where there is one; OpenBLAS's own file leaves it out, and what stands behind it comes too late.
comma := ,
FORTRAN = $(findstring -lgfortran,$(shell pkg-config --static --libs $(MODULES)))
QUADMATH = $(if $(FORTRAN),$(if $(filter x86_64-% i%86-%,$(shell $(CC) -dumpmachine)),-Wl$(comma)-u$(comma)quadmath_snprintf -lquadmath))

# What stands below prefix is said by ${prefix} in orthsr.pc, and from the library's directory on in CMake's files: an installed tree may be moved.
$B/orthsr.pc $B/orthsr-uninstalled.pc $B/orthsr-config.cmake $B/orthsr-config-version.cmake: $B/%: pkgconfig/%.in .FORCE
	@mkdir -p $(@D)
	@sed -e 's|@prefix@|$(prefix)|' -e 's|@exec_prefix@|$(patsubst $(prefix)%,$${prefix}%,$(exec_prefix))|' \
	  -e 's|@libdir@|$(patsubst $(exec_prefix)/%,$${exec_prefix}/%,$(libdir))|' -e 's|@includedir@|$(patsubst $(prefix)/%,$${prefix}/%,$(includedir))|' \
	  -e 's|@include@|$(shell realpath -m --relative-to=$(if $(findstring uninstalled,$@),$B include,$(libdir) $(includedir)))|' \
	  -e 's|@version@|$(VERSION)|' -e 's|@major@|$(firstword $(subst ., ,$(VERSION)))|' -e 's|@modules@|$(MODULES)|' -e 's|@quadmath@|$(QUADMATH)|' \
	  -e 's|@real@|$(SO_REAL)|' -e 's|@soname@|$(SO_NAME)|' -e 's|@pointer@|$(shell echo __SIZEOF_POINTER__ | $(CC) -E -P -)|' $< > $@
.FORCE:

# What the shells complete, from the tool's own tables.
$B/completion/%: $B/bin/orthsr
	@mkdir -p $(@D)
	LD_LIBRARY_PATH=$B/lib $B/bin/orthsr completion $* > $@

INSTALL_DIRS := $(bashcompletiondir) $(zshcompletiondir) $(bindir) $(libdir) $(includedir)/orthsr $(pkgconfigdir) $(cmakedir) $(mandir)/man1 $(mandir)/man3 $(docdir)/docs
install: all $B/orthsr.pc $B/orthsr-config.cmake $B/orthsr-config-version.cmake $(MAN3) $B/completion/bash $B/completion/zsh
	$(INSTALL) -d $(addprefix $(DESTDIR),$(INSTALL_DIRS))
	$(INSTALL_PROGRAM) $B/bin/orthsr $(DESTDIR)$(bindir)/orthsr
	$(INSTALL_DATA) $(HEADERS) $(DESTDIR)$(includedir)/orthsr
	$(INSTALL_DATA) $(STATIC) $(DESTDIR)$(libdir)
	$(INSTALL_PROGRAM) $(SHARED) $(DESTDIR)$(libdir)
	ln -sf $(SO_REAL) $(DESTDIR)$(libdir)/$(SO_NAME)
	ln -sf $(SO_NAME) $(DESTDIR)$(libdir)/liborthsr.so
	$(INSTALL_DATA) $B/orthsr.pc $(DESTDIR)$(pkgconfigdir)
	$(INSTALL_DATA) $B/orthsr-config.cmake $B/orthsr-config-version.cmake $(DESTDIR)$(cmakedir)
	$(INSTALL_DATA) $B/completion/bash $(DESTDIR)$(bashcompletiondir)/orthsr
	$(INSTALL_DATA) $B/completion/zsh $(DESTDIR)$(zshcompletiondir)/_orthsr
	$(INSTALL_DATA) $(MAN1) $(DESTDIR)$(mandir)/man1
	$(INSTALL_DATA) $(dir $(MAN3))*.3 $(DESTDIR)$(mandir)/man3
	$(INSTALL_DATA) README.md CHANGELOG.md LICENSE $(DESTDIR)$(docdir)
	$(INSTALL_DATA) $(wildcard docs/*.md) $(DESTDIR)$(docdir)/docs

# What install writes, by name: nothing else goes that lies beside it. Directories that install makes go when they are empty; prefix itself, or with a DESTDIR
# that, stays.
uninstall: $(MAN3)
	rm -f $(DESTDIR)$(bindir)/orthsr $(DESTDIR)$(libdir)/liborthsr.a $(DESTDIR)$(libdir)/liborthsr.so $(DESTDIR)$(libdir)/$(SO_NAME) $(DESTDIR)$(libdir)/$(SO_REAL)
	rm -f $(DESTDIR)$(bashcompletiondir)/orthsr $(DESTDIR)$(zshcompletiondir)/_orthsr
	rm -f $(DESTDIR)$(pkgconfigdir)/orthsr.pc $(addprefix $(DESTDIR)$(mandir)/man1/,$(notdir $(MAN1)))
	for page in $(dir $(MAN3))*.3; do rm -f $(DESTDIR)$(mandir)/man3/$${page##*/}; done
	rm -f $(addprefix $(DESTDIR)$(includedir)/orthsr/,$(notdir $(HEADERS))) $(addprefix $(DESTDIR)$(cmakedir)/,orthsr-config.cmake orthsr-config-version.cmake)
	rm -f $(addprefix $(DESTDIR)$(docdir)/,README.md CHANGELOG.md LICENSE $(wildcard docs/*.md))
	@for d in $(addprefix $(DESTDIR),$(INSTALL_DIRS)); do \
	  while [ "$$d" != "$(or $(DESTDIR),$(prefix))" ] && { [ ! -e "$$d" ] || rmdir "$$d" 2>/dev/null; }; do d=$${d%/*}; [ -n "$$d" ] || break; done; \
	done

# A stranger's program against an installation in a real, temporary prefix: shared and static, C and C++; and every example.
installcheck: all
	tests/consumer/run.sh $B

# ---- releasing -----------------------------------------------------------------------------------------------------------
DIST := orthsr-$(VERSION)
dist:
	@mkdir -p $B
	if git rev-parse -q --git-dir >/dev/null 2>&1; then git archive --format=tar.gz --prefix=$(DIST)/ -o $B/$(DIST).tar.gz HEAD; \
	else tar -czf $B/$(DIST).tar.gz --exclude=./$B --transform='s,^\.,$(DIST),' .; fi
	@echo $B/$(DIST).tar.gz

# The tarball, unpacked read-only but for its build folder, must build, pass its tests, install, and leave nothing when uninstalled.
distcheck: deps-check dist
	tests/distcheck.sh $B/$(DIST).tar.gz $(DIST)

# Debian packages of the same tarball, looked at by lintian.
deb: deps-deb dist
	pkgconfig/deb.sh $B $(VERSION)

check-abi: lib
	tests/abi/check.sh $B
abi-baseline: lib
	tests/abi/baseline.sh $B
check-abi-breaks: deps-check
	tests/abi/breaks.sh $B
check-headers:
	tests/headers.sh $B
check-builds: deps-build
	tests/builds.sh $B
check-release: check-builds check-abi-breaks distcheck deb

# ---- keeping tidy --------------------------------------------------------------------------------------------------------
SOURCES := $(wildcard include/orthsr/*.h lib/*/*.[ch] examples/*.c examples/*.cpp examples/*/*.[ch] tests/*.c tests/*/*.[ch])
fmt:
	clang-format -i $(SOURCES)
# clang-tidy with .clang-tidy: the static analyzer, and what is likely to be a mistake. Silent when there is nothing.
analyze: deps-analyze
	printf '%s\n' $(LIB_SRC) $(wildcard examples/orthsr/*.c) | xargs -P 2 -n 8 sh -c 'clang-tidy --quiet "$$@" -- -std=c11 -O2 $(CPPFLAGS) $(PC_CFLAGS) $(shell pkg-config --cflags $(TOOL_MODULES)) 2>/dev/null' clang-tidy
lint:
	tests/layers.sh
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -Iinclude -Ilib --suppress=missingInclude lib examples

clean:
	rm -rf $B
