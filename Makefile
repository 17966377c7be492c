# Starfish. `make help` lists the targets.
#
# One non-recursive Makefile: a file that lies in a folder below is built; no
# list of files is kept by hand. BUILD names the output folder, so variants
# (clang, asan) live beside each other.

VERSION	= 0.1.0
BUILD	?= build
CC	?= gcc
prefix	?= /usr/local
DESTDIR	?=

ifeq ($(origin CC),default)
CC	= gcc
endif

WARN	= -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes \
	  -Wpointer-arith -Wno-unused-parameter
OPT	?= -O2 -g
DEPFLAGS = -MMD -MP
CSTD	= -std=c11 -D_GNU_SOURCE
# V=1 shows the commands
Q	= $(if $(V),,@)
say	= $(if $(V),,@echo '  $(1)	$(patsubst $(BUILD)/%,%,$@)')
ALLCFLAGS = $(CSTD) $(OPT) $(WARN) $(DEPFLAGS) $(CFLAGS)

# ---- DPDK: static, with these drivers only ------------------------------
DRIVERS	= net_tap net_ring net_memif net_pcap net_af_packet net_af_xdp \
	  net_virtio net_ixgbe net_i40e net_ice net_iavf net_ena \
	  net_vmxnet3 net_gve bus_vdev bus_pci mempool_ring mempool_stack
# mlx5 where its library is there
ifneq ($(wildcard /usr/lib/*/libmlx5.so),)
DRIVERS	+= net_mlx5 common_mlx5 bus_auxiliary
MLX5LIBS = -lmlx5 -libverbs
endif
DRIVERS	+= common_iavf
DPDK_CFLAGS = $(shell pkg-config --cflags libdpdk 2>/dev/null)
# --whole-archive: drivers register themselves by constructors
DPDK_LIBS = -Wl,--whole-archive $(DRIVERS:%=-l:librte_%.a) \
	  -Wl,--no-whole-archive \
	  -Wl,--start-group -l:librte_stack.a -l:librte_gso.a -l:librte_timer.a \
	  -l:librte_ethdev.a -l:librte_hash.a -l:librte_net.a -l:librte_mbuf.a \
	  -l:librte_mempool.a -l:librte_meter.a -l:librte_rcu.a \
	  -l:librte_ring.a -l:librte_pci.a -l:librte_eal.a \
	  -l:librte_telemetry.a -l:librte_kvargs.a -l:librte_security.a \
	  -l:librte_cryptodev.a -l:librte_vhost.a -l:librte_dmadev.a \
	  -Wl,--end-group $(MLX5LIBS) -lpcap -lxdp -lbpf -lelf -lz -ldl -lm \
	  -lnuma -lfdt -latomic -lpthread

# ---- sources -------------------------------------------------------------
LLHTTP	= /usr/share/llhttp
LLHTTP_INC = /usr/share/include/llhttp
PURE_SRC = $(wildcard secondary/net/*.c secondary/loop/*.c \
	  secondary/proto/*.c)
# SVC_EXTRA: services that are not part of the product (make bench-flood)
SVC_EXTRA ?=
SVC_SRC	= $(wildcard secondary/svc/*.c secondary/svc/*/*.c) $(SVC_EXTRA)
PRIMARY_SRC = $(wildcard primary/*.c)
WORKER_SRC = $(wildcard secondary/*.c secondary/io/*.c)
COMMON_SRC = $(wildcard common/*.c)
CONFIG_SRC = $(wildcard config/*.c)
CTL_SRC	= $(wildcard tools/starfish/*.c)
UNIT_SRC = $(wildcard tests/unit/*.c)
SIM_SRC	= $(wildcard tests/sim/*.c)
FUZZ_SRC = $(wildcard tests/fuzz/*.c)
BENCH_SRC = $(wildcard tests/bench/*.c)

# common files that only need libc, and are part of the pure stack's archive
COMMON_PURE = common/arena.c common/names.c common/fcache.c common/toeplitz.c
COMMON_PURE_SRC = $(filter $(COMMON_PURE),$(COMMON_SRC))
# the one file of common/ that may include DPDK
COMMON_DPDK_SRC = $(filter common/mbuf.c,$(COMMON_SRC))
COMMON_REST_SRC = $(filter-out $(COMMON_PURE_SRC) $(COMMON_DPDK_SRC),$(COMMON_SRC))

# services: by file name; a folder svc/NAME/ counts with its NAME.c
SERVICES = $(filter-out svc,$(notdir $(basename $(wildcard secondary/svc/*.c)))) \
	  $(notdir $(patsubst %/,%,$(wildcard secondary/svc/*/))) \
	  $(notdir $(basename $(SVC_EXTRA)))

obj	= $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LLHTTP_OBJ = $(patsubst %,$(BUILD)/obj/llhttp/%.o,llhttp api http)
NET_OBJ	= $(call obj,$(PURE_SRC) $(SVC_SRC) $(COMMON_PURE_SRC)) \
	  $(BUILD)/obj/gen/services.o $(BUILD)/obj/gen/svc_descs.o \
	  $(LLHTTP_OBJ)
COMMON_OBJ = $(call obj,$(COMMON_REST_SRC))

LIBNET	= $(BUILD)/lib/libstarfish-net.a
BINS	= $(BUILD)/bin/starfish $(BUILD)/bin/starfish-primary \
	  $(BUILD)/bin/starfish-worker
EXAMPLES = $(patsubst secondary/examples/%.c,$(BUILD)/examples/%,$(wildcard secondary/examples/*.c)) \
	  $(patsubst tests/system/%.c,$(BUILD)/test/system/%,$(wildcard tests/system/*.c))
UNIT_BIN = $(patsubst tests/unit/%.c,$(BUILD)/test/%,$(UNIT_SRC))

.SECONDARY:

.PHONY: all help deps deps-bench deps-browser run check unit asan tidy sim \
	table mutants loss-table flood bench-flood fuzz bench system drill install \
	uninstall \
	clean progs new-service

all: progs

help:
	@sed -n 's/^## //p' Makefile

## make deps       install what is missing from Debian (apt, root)
## make deps-browser  install Chromium for `make system` (apt, root)
## make all        build everything into build/
## make run        build, start the lab instance, say what to try
## make check      all tests: unit, simulator, system, tidy
## make unit       unit tests only
## make asan       pure parts and their tests under ASan and UBSan
## make tidy       style limits, include direction, bans
## make sim        simulator, SEEDS=n
## make table      goodput by loss against the golden table
## make mutants    planted bugs that the simulator must see
## make loss-table goodput by loss, beside Linux's (root)
## make flood      what attacks cost, and what they do to others
## make bench-flood  the same over a wire, beside clients (root)
## make fuzz       fuzz targets, FUZZ_SECONDS=n each
## make system     system tests over tap (root)
## make new-service  lay the file of a service, NAME=x
## make drill      kill, hang, add, upgrade under load; count losses (root)
## make bench      speed beside nginx, ONLY=name, RECORD=1
## make install    DESTDIR, prefix
## make uninstall  the same files again
## make clean      remove build/

-include tools/targets.mk

progs: $(LIBNET) $(BUILD)/lib/libstarfish.a $(BINS) $(EXAMPLES)

# ---- rules ---------------------------------------------------------------
$(BUILD)/obj/primary/%.o: primary/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALLCFLAGS) $(DPDK_CFLAGS) -c -o $@ $<

$(BUILD)/obj/secondary/io/%.o: secondary/io/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALLCFLAGS) $(DPDK_CFLAGS) -c -o $@ $<

$(BUILD)/obj/common/mbuf.o: common/mbuf.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALLCFLAGS) $(DPDK_CFLAGS) -c -o $@ $<

WORKER_TOP_OBJ = $(call obj,$(wildcard secondary/*.c))
$(WORKER_TOP_OBJ): $(BUILD)/obj/secondary/%.o: secondary/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALLCFLAGS) $(DPDK_CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALLCFLAGS) -I$(LLHTTP_INC) -c -o $@ $<

$(BUILD)/obj/llhttp/%.o: $(LLHTTP)/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CSTD) $(OPT) -w -I$(LLHTTP_INC) \
	    -c -o $@ $<

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALLCFLAGS) -I. -c -o $@ $<

# ---- generated: the tables of services, layout hash, build id ------------
$(BUILD)/gen/services.c: Makefile $(SVC_SRC)
	@mkdir -p $(@D)
	@{ echo '#include "secondary/svc/svc.h"'; \
	for s in $(SERVICES); do echo "extern const struct service $${s}_service;"; done; \
	echo 'const struct service *const services[] = {'; \
	for s in $(SERVICES); do echo "	&$${s}_service,"; done; \
	echo '	NULL'; echo '};'; } > $@

$(BUILD)/gen/svc_descs.c: Makefile $(SVC_SRC)
	@mkdir -p $(@D)
	@{ echo '#include "common/opt.h"'; \
	for s in $(SERVICES); do echo "extern const struct svc_desc $${s}_desc;"; done; \
	echo 'const struct svc_desc *const svc_descs[] = {'; \
	for s in $(SERVICES); do echo "	&$${s}_desc,"; done; \
	echo '	NULL'; echo '};'; } > $@

# Layout hash: name, type, offset and size of every member of every shared
# structure, and of every service's state, read from DWARF.
$(BUILD)/gen/build_id.c: tools/layout $(NET_OBJ) $(call obj,common/shared.c)
	@mkdir -p $(@D)
	tools/layout $(VERSION) "$(SERVICES)" $(call obj,common/shared.c $(SVC_SRC)) > $@.$$PPID
	@mv $@.$$PPID $@

# ---- archives and programs -----------------------------------------------
$(LIBNET): $(NET_OBJ) $(BUILD)/obj/gen/build_id.o
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)
	$(Q)$(AR) rcs $@ $^

# what a worker is made of, but for its main
LIBSF_OBJ = $(filter-out $(BUILD)/obj/secondary/main.o,$(call obj,$(WORKER_SRC) $(CONFIG_SRC) $(COMMON_DPDK_SRC))) \
	  $(COMMON_OBJ) $(NET_OBJ) $(BUILD)/obj/gen/build_id.o
# for programs of one's own: one object whose only names are those of
# <starfish.h>, so that no name of ours can meet one of theirs
$(BUILD)/lib/libstarfish.a: $(LIBSF_OBJ) secondary/starfish.h
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)
	$(Q)$(LD) -r -o $(BUILD)/obj/starfish.o $(LIBSF_OBJ)
	$(Q)sed -n 's/.*\(sf_[a-z0-9_]*\)(.*/\1/p' secondary/starfish.h \
	    > $(BUILD)/obj/starfish.names
	$(Q)objcopy --keep-global-symbols=$(BUILD)/obj/starfish.names \
	    $(BUILD)/obj/starfish.o
	$(Q)$(AR) rcs $@ $(BUILD)/obj/starfish.o

LIBS	= -luring -lconfig -ljansson -lbsd -lmd -lz -lseccomp

$(BUILD)/bin/starfish: $(call obj,$(CTL_SRC) $(CONFIG_SRC)) $(COMMON_OBJ) $(LIBNET)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ -ldw -lelf $(LIBS)

$(BUILD)/bin/starfish-primary: $(call obj,$(PRIMARY_SRC) $(CONFIG_SRC) $(COMMON_DPDK_SRC)) $(COMMON_OBJ) $(LIBNET)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ $(DPDK_LIBS) $(LIBS) -lmnl

$(BUILD)/bin/starfish-worker: $(BUILD)/obj/secondary/main.o $(LIBSF_OBJ)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ $(DPDK_LIBS) $(LIBS)

# ---- examples: programs on <starfish.h> alone -----------------------------
$(BUILD)/obj/secondary/examples/%.o: ALLCFLAGS += -Isecondary
$(BUILD)/examples/%: $(BUILD)/obj/secondary/examples/%.o $(BUILD)/lib/libstarfish.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ $(DPDK_LIBS) $(LIBS)

$(BUILD)/obj/tests/system/%.o: ALLCFLAGS += -Isecondary
$(BUILD)/test/system/%: $(BUILD)/obj/tests/system/%.o $(BUILD)/lib/libstarfish.a
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ $(DPDK_LIBS) $(LIBS)

# ---- unit tests: one program per file ------------------------------------
CHECK_LIBS = $(shell pkg-config --libs check 2>/dev/null)
$(BUILD)/test/%: $(BUILD)/obj/tests/unit/%.o $(call obj,$(CONFIG_SRC)) $(COMMON_OBJ) $(LIBNET)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $^ $(CHECK_LIBS) $(LIBS)

# of the worker's own files, what can be tried without DPDK
# its headers name DPDK's; it calls none of it
$(BUILD)/obj/tests/unit/order.o: ALLCFLAGS += $(DPDK_CFLAGS)
$(BUILD)/test/confine: $(call obj,secondary/confine.c)
$(BUILD)/obj/tests/lib/role_primary.o: ALLCFLAGS += $(DPDK_CFLAGS)
$(BUILD)/test/move_kill: $(call obj,tests/lib/role_primary.c primary/steer.c \
    tests/lib/role_super.c tools/starfish/mover.c tools/starfish/slot.c \
    secondary/io/order.c)
$(BUILD)/test/move_kill: LIBS := $(LIBNET) $(LIBS)
$(BUILD)/test/reads: $(call obj,secondary/io/reads.c secondary/io/reads_file.c)
$(BUILD)/test/save: $(call obj,secondary/io/save.c)

unit: $(UNIT_BIN)
	@tests/run-unit.sh $(UNIT_BIN)

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
