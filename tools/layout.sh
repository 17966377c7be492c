#!/bin/sh
# Print build_id.c: the layout hash and the build's name.
#
# usage: layout.sh VERSION "SERVICES" OBJECT...
#
# The hash is over name, type, offset and size of every member of every
# structure that lies in shared memory, read from the objects' DWARF by
# pahole: the structures of common/shared.c and struct NAME_state of each
# service; then LAYOUT_MEANING, to be raised by hand when a member keeps its
# place but changes its meaning.
set -eu

LAYOUT_MEANING=1
STRUCTS="board board_head board_super board_port board_group board_listener
board_root board_slot slot_fixed slot_super slot_worker board_event
board_events board_place board_addr arena arena_shape rec tuple chunk hent
conn tw neigh tcp_seg tcp_ext pkt pkt_frag xring xent fcache fcache_entry shm_secret"

version=$1 services=$2
shift 2

for s in $services; do
	STRUCTS="$STRUCTS ${s}_state"
done

describe() {
	for s in $STRUCTS; do
		found=
		for o in "$@"; do
			if text=$(pahole -C "$s" --suppress_aligned_attribute \
			    "$o" 2>/dev/null) && [ -n "$text" ]; then
				# members with offset and size; comments of
				# cache lines and holes say nothing new
				printf '%s\n' "$text" | grep -v '^[[:space:]]*/\*.*\*/$'
				found=1
				break
			fi
		done
		[ -n "$found" ] || echo "absent $s"
	done
	echo "meaning $LAYOUT_MEANING"
}

hash=$(describe "$@" | sha256sum | cut -c1-16)
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo source)
[ -z "$(git status --porcelain -uno 2>/dev/null)" ] || commit="$commit+"

cat <<END
#include <stdint.h>

#include "common/board.h"

const uint64_t layout_hash = UINT64_C(0x$hash);
const char build_version[] = "$version ($commit)";
END
