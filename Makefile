# SPDX-License-Identifier: MIT
# DMT, a family of small process commands for Linux. `make help` lists the targets.

## config

VERSION = 0.1.0

# A module is libdmt/NAME.c and NAME.h, and its parts NAME_PART.c. The order is the
# architecture: a module may include only what stands before it (`make lint` checks).
LIB  = err clock num buf io esc width near cell columns tree table option cmd \
	sig siglist user procfile objfile pidfd mounts walk proc sysstat ident sample signalling victims operands limit proccol statcol taskcol match \
	maps reg mem refusal tracer sandbox stack target module gosym gostack goroutine gotarget mapcol value jitmap sym symcol dwarf unwind backtrace btcol btrow btgo folded location span valuecol readout poke
CMDS = dmt-ps dmt-find dmt-kill dmt-stat dmt-map dmt-limit dmt-sym dmt-peek dmt-poke dmt-bt

# One program's own libraries or flags: LDLIBS_dmt-bt = -ldw, LDLIBS_unit, CFLAGS_FIXTURE.
SYMLIBS = -ldw -lelf -liberty
UNWINDLIBS = -lunwind-ptrace -lunwind-generic $(SYMLIBS)
$(foreach p,dmt-sym dmt-poke,$(eval LDLIBS_$p = $(SYMLIBS)))
$(foreach p,dmt-bt dmt-peek unit parsers unwind dwarf,$(eval LDLIBS_$p = $(UNWINDLIBS)))
CFLAGS_stepped = -Wl,-z,lazy
CFLAGS_hot = -fno-builtin -Wl,-z,lazy

# Yours to set, on the command line or in the environment. A SAN build has a tree of its own.
CFLAGS ?= -O2 -g
HARDEN ?= 1
PREFIX ?= /usr/local
BUILD  ?= build$(if $(SAN),/$(SAN))

prefix      = $(PREFIX)
bindir      = $(prefix)/bin
datadir     = $(prefix)/share
mandir      = $(datadir)/man
BASHCOMPDIR = $(datadir)/bash-completion/completions
ZSHCOMPDIR  = $(datadir)/zsh/site-functions
FISHCOMPDIR = $(datadir)/fish/vendor_completions.d
INSTALL     = install

# Packages: what a build needs, and what the tests and lint need on top.
MANAGERS     = apt dnf apk pacman
DEPS_apt     = gcc make libc6-dev libelf-dev libdw-dev libiberty-dev libunwind-dev
DEPS_dnf     = gcc make glibc-devel kernel-headers elfutils-libelf-devel elfutils-devel binutils-devel libunwind-devel
DEPS_apk     = gcc make musl-dev linux-headers elfutils-dev libiberty-dev libunwind-dev
DEPS_pacman  = gcc make glibc linux-api-headers libelf binutils libunwind
TESTS        = bash bats strace jq datamash zsh fish bash-completion util-linux mandoc valgrind clang cppcheck gdb elfutils nodejs
TESTS_apt    = $(TESTS) golang-go g++ musl-tools python3-dbg xxd fzf gnuplot-nox clustershell parallel sysstat manpages-dev procps python3 sqlite3 miller groff-base libcap2-bin iproute2 libclang-rt-dev shellcheck
TESTS_dnf    = $(TESTS) golang gcc-c++ musl-gcc musl-libc-static glibc-static vim-common gnuplot procps-ng python3 sqlite miller groff-base libcap iproute compiler-rt ShellCheck \
	libasan libubsan
TESTS_apk    = $(TESTS) go g++ xxd gnuplot procps-ng python3 sqlite miller groff libcap-utils iproute2 compiler-rt shellcheck
TESTS_pacman = $(TESTS) go musl vim gnuplot procps-ng python sqlite miller groff libcap iproute2 compiler-rt shellcheck
GET_apt      = apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends
GET_dnf      = dnf install -y
GET_apk      = apk add
GET_pacman   = pacman -Sy --needed --noconfirm

# Our flags stand before the user's, so the user's win. The compiler is asked about its machine
# when it is first used: `make deps demo` may start without one.
MACHINE  = $(eval MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null))$(MACHINE)
harden_c = -fPIE -fstack-protector-strong -fstack-clash-protection \
	$(if $(filter x86_64-% i386-% i486-% i586-% i686-%,$(MACHINE)),-fcf-protection) \
	$(if $(SAN)$(findstring FORTIFY,$(CPPFLAGS) $(CFLAGS)),,$(if $(optimise),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
optimise = $(filter-out -O0,$(filter -O%,$(CFLAGS)))
hardened = $(filter-out 0,$(HARDEN))

DMT_CPPFLAGS = -D_GNU_SOURCE -DDMT_VERSION='"$(VERSION)"' -iquote libdmt
DMT_CFLAGS   = -std=gnu17 -Wall -Wextra -ffile-prefix-map='$(CURDIR)'=. $(hardened:%=$(harden_c)) \
	$(SAN:%=-fsanitize=% -fno-sanitize-recover=all -fno-omit-frame-pointer)
DMT_LDFLAGS  = $(hardened:%=-pie -Wl,-z,relro,-z,now) $(SAN:%=-fsanitize=%)
COMPILE = $(CC) $(DMT_CPPFLAGS) $(DMT_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP
LINK    = $(CC) $(DMT_LDFLAGS) $(CFLAGS) $(LDFLAGS)
LIBS    = $(LDLIBS_$(@F)) $(LDLIBS)
# A fixture is what the tests look at, not what they test: neither sanitised nor hardened.
FIXTURE = $(CC) -D_GNU_SOURCE -std=gnu17 -Wall -Wextra -pthread -MMD -MP $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)

Q   = $(if $(filter-out 0,$(V)),,@)
say = $(if $(Q),@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,printf '%-4s %s\n' $(1) $(2)))

## library

SRC      = $(sort $(wildcard $(foreach m,$(LIB),libdmt/$m.c libdmt/$m_*.c)))
UNIT_SRC = $(wildcard tests/unit.c tests/unit/*.c)

LIBDMT   = $(BUILD)/libdmt.a
BINS     = $(CMDS:%=$(BUILD)/%)
UNIT     = $(if $(UNIT_SRC),$(BUILD)/unit)
BENCH    = $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
FUZZ     = $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/fuzz/*.c))
TOOLS    = $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/tools/*.c))
FIXTURES = $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/fixtures/*.c))
OBJS     = $(patsubst %.c,$(BUILD)/%.o,$(SRC) $(UNIT_SRC) $(CMDS:%=cmd/%.c)) \
	$(patsubst $(BUILD)/%,$(BUILD)/tests/%.o,$(BENCH) $(FUZZ) $(TOOLS))

all: $(BINS)  ## build the commands (SAN=address,undefined HARDEN=0 V=1)

# New flags make new objects. A build that cannot compile at all says so here, once.
# With -j too, packages are installed first (order-only).
DEPFIRST = $(filter deps check-deps,$(MAKECMDGOALS))
flags    = '$(subst ','\'',$(COMPILE) $(LINK) $(FIXTURE))'
$(BUILD)/flags: FORCE | $(DEPFIRST)
	@mkdir -p $(@D); printf '%s\n' $(flags) | cmp -s - $@ || { \
	    printf '#include <%s>\n' stdio.h linux/types.h | $(CC) -E -xc - >/dev/null 2>&1 || { \
	        echo 'error: no working $(CC): run `make deps`, or install$(foreach p,$(MANAGERS), $(DEPS_$p) ($p);)' >&2; \
	        exit 1; }; \
	    printf '%s\n' $(flags) >$@; }

$(OBJS): $(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -c -o $@ $<

$(LIBDMT): $(SRC:%.c=$(BUILD)/%.o) Makefile
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(filter %.o,$^)

## commands

$(BINS): $(BUILD)/%: $(BUILD)/cmd/%.o
$(UNIT): $(UNIT_SRC:%.c=$(BUILD)/%.o)
$(BENCH) $(FUZZ) $(TOOLS): $(BUILD)/%: $(BUILD)/tests/%.o
$(BUILD)/fuzz/dwarf: | $(BUILD)/fixtures/locals
$(BINS) $(UNIT) $(BENCH) $(FUZZ) $(TOOLS): $(LIBDMT)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) $(LIBDMT) $(LIBS)

$(FIXTURES): $(BUILD)/%: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(FIXTURE) $(CFLAGS_$(@F)) -o $@ $< $(LIBS)

-include $(OBJS:.o=.d) $(FIXTURES:=.d)

## check

TESTENV = DMT_BUILD=$(abspath $(BUILD)) DMT_SAN=$(SAN) PATH=$(abspath $(BUILD)):"$$PATH"
BATS    = bats --formatter tap $(or $(T),$(wildcard tests/*.bats))
# Two files at a time, where bats can (GNU parallel); stat.bats measures the machine, and has it alone.
TWO     = $(if $(shell parallel --version 2>/dev/null | grep GNU),--jobs 2 --no-parallelize-within-files)
ALL     = 'bats --formatter tap $(TWO) $(filter-out tests/stat.bats,$(wildcard tests/*.bats))' \
	'bats --formatter tap tests/stat.bats'

demo: all  ## show the commands at work
	@for line in 'dmt-ps --sort=mem | head' 'dmt-find -l make' 'dmt-find make | dmt-ps -' \
	    'dmt-find -I make | dmt-kill --dry-run -'; do \
	    echo "$$ $$line"; env $(TESTENV) sh -c "$$line" || exit; echo; done

check: all $(UNIT) $(FIXTURES) $(TOOLS) tool-bats  ## run all tests (T=tests/ps.bats: only these)
	@$(TESTENV) tests/tally $(BUILD)/check.tap $(if $(T),'$(BATS)',$(UNIT) $(ALL))

unit: $(UNIT) $(BUILD)/fixtures/stepped  ## run the unit tests
	@$(TESTENV) tests/tally $(BUILD)/unit.tap $(UNIT)

soak: all $(UNIT) $(FIXTURES) $(TOOLS) tool-bats  ## run the long forms of the tests, then fuzz
	@DMT_SOAK=1 $(TESTENV) tests/tally $(BUILD)/soak.tap $(if $(T),,$(UNIT)) '$(BATS)'
	@if command -v clang >/dev/null; then $(MAKE) --no-print-directory fuzz; \
	    else echo 'fuzz: left out, clang is missing'; fi

fuzz: tool-clang  ## fuzz each parser for FUZZ_SECONDS (60)
	@$(MAKE) --no-print-directory CC=clang SAN=fuzzer,address,undefined CFLAGS='-O1 -g' fuzz-run

FUZZ_SECONDS ?= 60
fuzz-run: $(FUZZ)
	@for f in $(FUZZ); do echo "fuzz $${f##*/} for $(FUZZ_SECONDS) s"; mkdir -p $$f.corpus; \
	    $$f -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 -artifact_prefix=$$f. \
	    $$f.corpus $$(find tests/fuzz/$${f##*/} -type d 2>/dev/null) || exit; done

# The tools of a target, by command; Debian's packages are called the same.
tool-%: | $(DEPFIRST)
	@command -v $* >/dev/null || \
	    { echo 'error: no $*: run `make check-deps`, or install the package $*' >&2; exit 1; }

deps:  ## install what a build needs (DRYRUN=1 only shows how)
	@$(call get,DEPS)

check-deps:  ## install what a build, the tests and lint need
	@$(call get,DEPS TESTS)

# The first package manager that is here gets the packages of the named lists.
get = run=; $(foreach p,$(MANAGERS),[ "$$run" ] || ! command -v $(p:apt=apt-get) >/dev/null || \
	    run='$(GET_$p) $(foreach l,$(1),$($l_$p))';) \
	[ "$$run" ] || { echo 'error: no $(MANAGERS) here to install: $(foreach l,$(1),$($l_apt))' >&2; exit 1; }; \
	[ "$$(id -u)" = 0 ] || run="sudo sh -c '$$run'"; echo "$$run"; $(if $(DRYRUN),,eval "$$run")

## lint

STRICT  = -std=gnu17 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wformat=2 -Wundef -Wvla
LINT_C  = $(wildcard libdmt/*.c cmd/*.c tests/*.c tests/*/*.c)
SCRIPTS = .ci/run tests/tally tests/bare-debian tests/docs-sandbox $(wildcard tests/bench/run)
SOURCED = $(wildcard tests/*.bats tests/*.bash completions/*.bash)
MAN     = $(wildcard man/*.[17])

lint: $(LINT_C:%=lint/%) lint-includes lint-cppcheck lint-shell lint-man  ## check the sources (quicker with -j)

$(LINT_C:%=lint/%): lint/%: tool-gcc tool-clang
	$(call say,LINT,$*)
	$(Q)gcc $(DMT_CPPFLAGS) $(STRICT) -O2 $(if $(filter tests/%,$*),,-fanalyzer) -c -o /dev/null $*
	$(Q)clang $(DMT_CPPFLAGS) $(STRICT) -fsyntax-only $*

lint-includes:
	$(call say,LINT,includes)
	$(Q)awk -v lib='$(LIB)' -f tests/lint-includes $(wildcard libdmt/*.[ch] cmd/*.[ch])

lint-cppcheck: tool-cppcheck
	$(call say,LINT,cppcheck)
	$(Q)cppcheck -q --enable=warning,portability --error-exitcode=1 --inline-suppr $(DMT_CPPFLAGS) libdmt cmd

# A variable of a sourced file comes from elsewhere, or goes there; a bats test is a subshell.
lint-shell: tool-shellcheck
	$(call say,LINT,shellcheck)
	$(Q)shellcheck -x $(SCRIPTS)
	$(Q)$(SOURCED:%=shellcheck -e SC2030,SC2031,SC2034,SC2154 % &&) :

lint-man: tool-mandoc
	$(call say,LINT,mandoc)
	$(Q)$(MAN:%=mandoc -Tlint -Wwarning % &&) :

## bench

bench: all $(FIXTURES) $(BENCH)  ## measure
	@$(TESTENV) tests/bench/run

## install

# bash and fish look a completion up by the command's name: links to one file.
D       = $(DESTDIR)
manpath = $(mandir)/man$(patsubst .%,%,$(suffix $(1)))/$(notdir $(1))
FILES   = $(CMDS:%=$(bindir)/%) $(foreach m,$(MAN),$(call manpath,$m)) $(ZSHCOMPDIR)/_dmt \
	$(addprefix $(BASHCOMPDIR)/,dmt.bash $(CMDS:%=%.bash)) $(addprefix $(FISHCOMPDIR)/,dmt.fish $(CMDS:%=%.fish))

install: all  ## install below DESTDIR and PREFIX (/usr/local)
	mkdir -p $(sort $(dir $(FILES:%=$(D)%)))
	$(INSTALL) -m 755 $(BINS) $(D)$(bindir)
	$(foreach m,$(MAN),$(INSTALL) -m 644 $m $(D)$(call manpath,$m) &&) :
	$(INSTALL) -m 644 completions/dmt.bash $(D)$(BASHCOMPDIR)
	$(INSTALL) -m 644 completions/dmt.fish $(D)$(FISHCOMPDIR)
	$(INSTALL) -m 644 completions/_dmt $(D)$(ZSHCOMPDIR)
	for c in $(CMDS); do ln -sf dmt.bash $(D)$(BASHCOMPDIR)/$$c.bash; ln -sf dmt.fish $(D)$(FISHCOMPDIR)/$$c.fish; done

uninstall:  ## remove what install has put there
	rm -f $(FILES:%=$(D)%)

# MAKEFLAGS is emptied: no directory of the caller's may lead out of the scratch directory.
check-install: all  ## install to scratch places, run from there, uninstall, look for leftovers
	@set -e; d=$$(mktemp -d); trap 'rm -rf "$$d"' EXIT; for at in "DESTDIR=$$d PREFIX=/usr" "DESTDIR= PREFIX=$$d/usr"; do \
	    make="env MAKEFLAGS= $(MAKE) -s BUILD=$(BUILD) $$at"; \
	    $$make install; for c in $(CMDS); do "$$d/usr/bin/$$c" --version; done; \
	    ! find "$$d" -xtype l | grep . || { echo 'error: these links lead nowhere' >&2; exit 1; }; \
	    $$make uninstall; \
	    ! find "$$d" ! -type d | grep . || { echo 'error: uninstall leaves these' >&2; exit 1; }; done

dist:  ## make dmt-VERSION.tar.gz of what is committed
	git -c tar.umask=0022 archive --prefix=dmt-$(VERSION)/ HEAD | gzip -9n >dmt-$(VERSION).tar.gz

clean:  ## remove what was built
	rm -rf $(BUILD)

help:  ## print this list
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "%-14s %s\n", $$1, $$2 }' Makefile

FORCE:
.DEFAULT_GOAL = all
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: FORCE all demo check unit soak fuzz fuzz-run deps check-deps lint lint-includes lint-cppcheck lint-shell \
	lint-man bench install uninstall check-install dist clean help
