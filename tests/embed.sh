#!/bin/sh
# The program of docs/embedding.md compiles without a warning against the
# archive alone, and does what the page says. usage: embed.sh BUILD
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' docs/embedding.md \
    > "$dir/driver.c"
${CC:-gcc} -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -I . "$dir/driver.c" \
    "$1/lib/libstarfish-net.a" -o "$dir/driver" || exit 1
"$dir/driver" > "$dir/out" || { echo "embed: the driver fails"; exit 1; }
# three SYN-ACKs to 192.0.2.2, port 40000
n=$(grep -c '^45 .* c0 00 02 01 c0 00 02 02 00 50 9c 40 .* 60 12 ' "$dir/out")
if [ "$n" -ne 3 ] || [ "$(wc -l < "$dir/out")" -ne 3 ]; then
	echo "embed: not the packets that the page promises"
	cat "$dir/out"
	exit 1
fi
echo "the example of docs/embedding.md works"
