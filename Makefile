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
docdir       ?= $(datarootdir)/doc/orthsr
pkgconfigdir ?= $(libdir)/pkgconfig
DESTDIR      ?=
INSTALL      ?= install
INSTALL_PROGRAM ?= $(INSTALL) -m 755
INSTALL_DATA    ?= $(INSTALL) -m 644

B := build

# ---- packages ------------------------------------------------------------------------------------------------------
PACKAGES       := gcc libc6-dev pkg-config libopenblas-dev liblapacke-dev zlib1g-dev libjansson-dev libjpeg62-turbo-dev \
                  libpng-dev libpcre2-dev libutf8proc-dev
DEMO_PACKAGES  := $(PACKAGES) dataset-fashion-mnist
CHECK_PACKAGES := $(DEMO_PACKAGES) check valgrind g++

# ---- flags: ours first, the user's appended -------------------------------------------------------------------------
MODULES  := openblas lapacke zlib jansson libjpeg libpng libpcre2-8 libutf8proc
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla
# -fno-math-errno and -fno-trapping-math change no result; they let loops over sqrt and comparisons vectorise. -fopenmp-simd only
# honours "omp simd", which says where a sum may be taken in another order; no OpenMP runtime comes in.
override CFLAGS   := -std=c11 -O2 -ftree-vectorize -fvect-cost-model=dynamic -g -fPIC -fvisibility=hidden -ffunction-sections -fno-math-errno -fno-trapping-math -fopenmp-simd \
                     -fno-semantic-interposition -fstack-protector-strong $(WARNINGS) $(CFLAGS)
override CPPFLAGS := -Iinclude -Ilib -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(CPPFLAGS)
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
EXAMPLES  := $(patsubst examples/%.c,$B/bin/%,$(wildcard examples/*.c))
TESTS     := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/test_*.c))
GRADS     := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/grad_*.c))
BENCHES   := $(patsubst tests/bench/%.c,$B/bench/%,$(wildcard tests/bench/*.c))
TEST_UTIL := $(wildcard tests/util/*.h)
MAN1      := $(wildcard docs/man/*.1)
MAN3      := $(wildcard docs/man/*.3)

SO_REAL := liborthsr.so.$(SOVERSION).$(VERSION)
SO_NAME := liborthsr.so.$(SOVERSION)
SHARED  := $B/lib/$(SO_REAL)
STATIC  := $B/lib/liborthsr.a
CORE    := $B/lib/libortho.a
CORE64  := $B/lib/libortho64.a

.DEFAULT_GOAL := help
.PHONY: help all lib demo check test valgrind install uninstall installcheck dist distcheck clean bench fmt lint deps-build deps-demo deps-check
.DELETE_ON_ERROR:

help:
	@echo 'liborthsr $(VERSION)'
	@echo
	@echo '  make demo          install missing Debian packages, build, adapt a small CLIP on real images (3 minutes)'
	@echo '  make check         the same, then every test, also under valgrind, and an installation test'
	@echo '  make all           libraries, the orthsr tool and the examples, into $B/'
	@echo '  make install       PREFIX=$(PREFIX), DESTDIR and the GNU directory variables are honoured'
	@echo '  make uninstall     removes what install wrote'
	@echo '  make installcheck  builds and runs a program against an installation, through pkg-config'
	@echo '  make bench         timings of the parts'
	@echo '  make bench-method  the numbers of the README: seeds 1, 2, 3'
	@echo '  make dist          $B/orthsr-$(VERSION).tar.gz;  make distcheck  builds, checks and installs from it'
	@echo '  make fmt, lint     clang-format, cppcheck;  make clean  removes $B/'
	@echo
	@echo '  CFLAGS, CPPFLAGS, LDFLAGS are appended to ours, e.g. make all CFLAGS=-march=native'

all: lib $B/bin/orthsr $(EXAMPLES)
lib: $(SHARED) $(STATIC) $(CORE)

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
	$(CC) $(EXAMPLE_CPPFLAGS) $(shell pkg-config --cflags jansson zlib) $(CFLAGS) -MMD -MP -c -o $@ $<

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

RPATH := -Wl,-rpath,'$$ORIGIN/../lib'
$B/bin/orthsr: $(TOOL_OBJ) $(SHARED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(TOOL_OBJ) -L$B/lib -lorthsr $(RPATH) $(shell pkg-config --libs jansson) -lm

$B/bin/%: $B/obj/examples/%.o $(SHARED)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< -L$B/lib -lorthsr $(RPATH) $(shell pkg-config --libs zlib) -lm

# ---- tests ---------------------------------------------------------------------------------------------------------
$B/tests/test_%: tests/test_%.c $(TEST_UTIL) $(CORE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(CORE) $(PC_LIBS) $(CHECK_LIBS)

$B/tests/grad_%: tests/grad_%.c $(TEST_UTIL) $(CORE64)
	@mkdir -p $(@D)
	$(CC) -DORTHSR_DOUBLE $(CPPFLAGS) -Itests $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(CORE64) $(PC_LIBS) $(CHECK_LIBS)

$B/bench/%: tests/bench/%.c $(CORE)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(PC_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(CORE) $(PC_LIBS)

-include $(LIB_OBJ:.o=.d) $(DOUBLE_OBJ:.o=.d) $(TOOL_OBJ:.o=.d)
