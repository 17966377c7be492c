# Targets that run things; included by the Makefile.

# what the build and the tests need, by Debian's names; a test of presence
DEPS	= gcc make pkg-config git libc6-dev dpdk-dev libdpdk-dev libconfig-dev libjansson-dev liburing-dev libseccomp-dev \
	  libbsd-dev check libmd-dev zlib1g-dev node-llhttp libpcap-dev \
	  libibverbs-dev libnuma-dev libfdt-dev libelf-dev libdw-dev libxdp-dev \
	  libbpf-dev libmnl-dev media-types iproute2 iputils-ping procps python3 \
	  curl jq apache2-utils wrk nginx-light clang libclang-rt-14-dev \
	  valgrind binutils slowhttptest ethtool

deps:
	@missing=; for p in $(DEPS); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | \
	    grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then \
	    echo "make deps: missing packages:$$missing" >&2; \
	    echo "make deps: run as root: apt-get install$$missing" >&2; \
	    exit 1; fi; \
	echo "installing:$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $$missing >/dev/null

# what `make bench` needs besides: a peer, and plots (drawn if it is there)
DEPS_BENCH = libwebsockets-dev gnuplot-nox

deps-bench: deps
	@$(MAKE) --no-print-directory DEPS="$(DEPS_BENCH)" deps

# a browser for `make system`, which does without if there is none
deps-browser: deps
	@$(MAKE) --no-print-directory DEPS=chromium deps

# build with all cores when make was called without -j
JOBS	:= $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

run: deps
	@$(MAKE) --no-print-directory $(JOBS) progs
	@tools/run.sh $(BUILD)

check: deps
	@$(MAKE) --no-print-directory $(JOBS) progs $(UNIT_BIN) $(BUILD)/test/sim \
	    $(BUILD)/bench/flood
	@tests/check.sh $(BUILD)

tidy: deps
	@tools/tidy

# ---- a service of one's own ------------------------------------------------
new-service:
	@tools/new-service "$(NAME)"

# ---- simulator -----------------------------------------------------------
SEEDS	?= 500
$(BUILD)/test/sim: $(call obj,$(SIM_SRC)) $(call obj,$(COMMON_REST_SRC)) $(LIBNET)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ -lbsd -lmd -lz -lpthread

sim: $(BUILD)/test/sim
	@tests/sim/all $(BUILD)/test/sim $(SEEDS)
	$(BUILD)/test/sim --scripts tests/sim/scripts

# goodput by loss in virtual time, against the golden table
table: $(BUILD)/test/sim
	$(BUILD)/test/sim --table -j $$(nproc)

# planted bugs that the simulator must see
mutants: deps
	tests/sim/mutants

# goodput by loss, ours in virtual time beside Linux's in real time
LOSS_RUNS ?= 9
loss-table: $(BUILD)/test/sim $(BUILD)/bench/relay
	tools/bench/loss-table $(BUILD) $(LOSS_RUNS)

# ---- sanitizers: the pure parts and their tests, in a tree of their own ---
ASAN	= -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	  -fno-omit-frame-pointer
asan: deps
	@CK_TIMEOUT_MULTIPLIER=10 $(MAKE) --no-print-directory $(JOBS) BUILD=$(BUILD)/asan \
	    OPT="-O1 -g $(ASAN)" unit
	@$(MAKE) --no-print-directory $(JOBS) BUILD=$(BUILD)/asan \
	    OPT="-O1 -g $(ASAN)" SEEDS=100 sim

# ---- fuzzing -------------------------------------------------------------
FUZZ_SECONDS ?= 60
FUZZ	= $(patsubst tests/fuzz/%.c,%,$(FUZZ_SRC))
FUZZ_FLAGS = -fsanitize=fuzzer-no-link,address,undefined \
	  -fno-sanitize-recover=undefined
FUZZ_BUILD = $(BUILD)/fuzz
$(FUZZ_BUILD)/fuzz/%: $(FUZZ_BUILD)/obj/tests/fuzz/%.o \
	    $(patsubst %.c,$(FUZZ_BUILD)/obj/%.o,$(COMMON_REST_SRC) $(CONFIG_SRC)) \
	    $(FUZZ_BUILD)/lib/libstarfish-net.a
	@mkdir -p $(@D)
	clang -g -fsanitize=fuzzer,address,undefined -o $@ $^ -lconfig -lbsd -lmd -lz

fuzz: deps
	@$(MAKE) --no-print-directory $(JOBS) BUILD=$(FUZZ_BUILD) CC=clang \
	    OPT="-O1 -g $(FUZZ_FLAGS)" FUZZ_BUILD=$(FUZZ_BUILD) \
	    $(FUZZ:%=$(FUZZ_BUILD)/fuzz/%)
	@tests/run-fuzz.sh $(FUZZ_BUILD)/fuzz $(FUZZ_SECONDS) $(FUZZ)

# ---- system tests and benchmarks ------------------------------------------
TEST	?=
system: deps
	@$(MAKE) --no-print-directory $(JOBS) progs
	@BUILD=$(BUILD) tests/system/run $(TEST)

# ---- the drill: what clients lose when processes die ----------------------
DRILL	?= --kills 500 --hangs 50 --adds 50 --upgrades 20 --supervisor-kills 20
drill: deps
	@$(MAKE) --no-print-directory $(JOBS) progs
	$(BUILD)/bin/starfish drill $(DRILL)

ONLY	?=
RECORD	?=
BENCH_BIN = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(BENCH_SRC))
BENCH_BIN += $(BUILD)/bench/replay
$(BUILD)/bench/replay: $(call obj,$(wildcard tests/bench/replay/*.c)) $(COMMON_OBJ) $(LIBNET)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ -lbsd -lmd -lz
$(BUILD)/bench/scale $(BUILD)/bench/flood $(BUILD)/bench/move_scale \
$(BUILD)/bench/adopt: $(BUILD)/bench/%: \
	    $(BUILD)/obj/tests/bench/%.o $(LIBNET)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ -lbsd -lmd -lz
$(BUILD)/bench/lws_server: $(BUILD)/obj/tests/bench/lws_server.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ -lwebsockets
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^

# what floods and other attacks cost, and what they do to others
flood: $(BUILD)/bench/flood
	$(BUILD)/bench/flood

# the same over a wire, with an attacker's service in programs of their own
FLOOD	?=
bench-flood: deps
	@$(MAKE) --no-print-directory $(JOBS) BUILD=$(BUILD)/flood \
	    SVC_EXTRA=tests/bench/svc/flood.c progs
	@BUILD=$(BUILD)/flood tools/bench/flood $(FLOOD)

bench: deps-bench
	@$(MAKE) --no-print-directory $(JOBS) progs $(BENCH_BIN)
	@BUILD=$(BUILD) tools/bench/run ONLY="$(ONLY)" RECORD="$(RECORD)"

# ---- installation ----------------------------------------------------------
# headers that a program or a service of one's own includes
PUBLIC_H = $(filter-out %_priv.h %/base.h,$(wildcard common/*.h \
	  secondary/net/*.h secondary/loop/*.h secondary/svc/*.h))

install: progs
	install -d $(DESTDIR)$(prefix)/bin $(DESTDIR)$(prefix)/lib/pkgconfig \
	    $(DESTDIR)$(prefix)/include/starfish \
	    $(DESTDIR)$(prefix)/share/doc/starfish \
	    $(DESTDIR)$(prefix)/share/starfish
	install -m 755 $(BINS) $(DESTDIR)$(prefix)/bin/
	install -m 644 $(LIBNET) $(BUILD)/lib/libstarfish.a \
	    $(DESTDIR)$(prefix)/lib/
	for h in $(PUBLIC_H); do \
	    install -D -m 644 $$h $(DESTDIR)$(prefix)/include/starfish/$$h \
	    || exit 1; done
	install -m 644 common/counters.def \
	    $(DESTDIR)$(prefix)/include/starfish/common/
	cp -R config/*.conf config/www $(DESTDIR)$(prefix)/share/starfish/
	install -m 644 README.md ARCHITECTURE.md HACKING.md CHANGELOG.md \
	    LICENSE docs/*.md $(DESTDIR)$(prefix)/share/doc/starfish/
	install -d $(DESTDIR)$(prefix)/lib/systemd/system
	sed -e 's|/usr/bin/|$(prefix)/bin/|' config/systemd/starfish@.service \
	    > $(DESTDIR)$(prefix)/lib/systemd/system/starfish@.service
	for p in starfish starfish-net; do \
	    sed -e 's|@prefix@|$(prefix)|; s|@version@|$(VERSION)|' \
	    -e 's|@libs@|$(DPDK_LIBS) $(LIBS)|' tools/$$p.pc.in \
	    > $(DESTDIR)$(prefix)/lib/pkgconfig/$$p.pc || exit 1; done
	install -m 644 secondary/starfish.h \
	    $(DESTDIR)$(prefix)/include/starfish/
	install -d $(DESTDIR)$(prefix)/share/doc/starfish/examples
	install -m 644 secondary/examples/*.c \
	    $(DESTDIR)$(prefix)/share/doc/starfish/examples/

uninstall:
	rm -f $(BINS:$(BUILD)/bin/%=$(DESTDIR)$(prefix)/bin/%) \
	    $(DESTDIR)$(prefix)/lib/libstarfish-net.a \
	    $(DESTDIR)$(prefix)/lib/libstarfish.a \
	    $(DESTDIR)$(prefix)/lib/pkgconfig/starfish.pc \
	    $(DESTDIR)$(prefix)/lib/pkgconfig/starfish-net.pc \
	    $(DESTDIR)$(prefix)/lib/systemd/system/starfish@.service
	rm -rf $(DESTDIR)$(prefix)/include/starfish \
	    $(DESTDIR)$(prefix)/share/starfish \
	    $(DESTDIR)$(prefix)/share/doc/starfish
