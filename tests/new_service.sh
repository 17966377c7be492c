#!/bin/sh
# What `make new-service` lays, and the service of docs/writing-a-service.md,
# compile without a warning and are what the build looks for.
# usage: new_service.sh
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/secondary/svc"
for d in common secondary/net secondary/proto secondary/loop; do
	ln -s "$PWD/$d" "$dir/$d"
done
ln -s "$PWD/secondary/svc/svc.h" "$dir/secondary/svc/svc.h"

compiles() {
	${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror \
	    -Wstrict-prototypes -Wpointer-arith -Wno-unused-parameter \
	    -c -o "$dir/$1.o" "$dir/secondary/svc/$1.c" || exit 1
	nm "$dir/$1.o" | grep -q " [DR] $1_desc" &&
	    nm "$dir/$1.o" | grep -q " [DR] $1_service" ||
	    { echo "new-service: $1 is no service"; exit 1; }
}

tools/new-service fresh_one "$dir/secondary/svc" > /dev/null || exit 1
compiles fresh_one
tools/new-service fresh_one "$dir/secondary/svc" 2> /dev/null &&
    { echo "new-service: replaced a file"; exit 1; }
tools/new-service "Bad name" "$dir/secondary/svc" 2> /dev/null &&
    { echo "new-service: took a bad name"; exit 1; }
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' \
    docs/writing-a-service.md > "$dir/secondary/svc/notes.c"
compiles notes
echo "a new service compiles, as does that of docs/writing-a-service.md"
