#!/bin/sh
# The layout hash sees two members of a shared structure change places.
# usage: layout.sh BUILD
set -eu
build=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp -R common "$tmp/common"
objs=$(find "$build/obj/secondary/svc" -name '*.o')

hash_of() {
	gcc -std=c11 -D_GNU_SOURCE -g -c -o "$tmp/shared.o" "$1/common/shared.c"
	# shellcheck disable=SC2086
	tools/layout 0 "" "$tmp/shared.o" $objs | grep layout_hash
}

here=$(hash_of .)
same=$(hash_of "$tmp")
[ "$here" = "$same" ] || { echo "the hash differs without a change"; exit 1; }
# struct rec: hash and wnext, both 32 bits wide, change places
sed -i -e 's/^\tuint32_t hash;\(.*of the tuple.*\)/\tuint32_t swapped;\1/' \
    -e 's/^\tuint32_t wnext, wprev;/\tuint32_t hash, wprev;/' \
    -e 's/^\tuint32_t swapped;/\tuint32_t wnext;/' "$tmp/common/arena.h"
cmp -s common/arena.h "$tmp/common/arena.h" &&
    { echo "nothing was swapped"; exit 1; }
other=$(hash_of "$tmp")
[ "$here" != "$other" ] || { echo "the hash did not see the swap"; exit 1; }
echo "the layout hash sees a swap of two members"
