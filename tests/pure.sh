#!/bin/sh
# The pure stack asks the outside for nothing but memory and string routines:
# what libstarfish-net.a leaves undefined is checked against this list.
# usage: pure.sh ARCHIVE
allowed='^(mem(cpy|move|set|cmp|chr|rchr|mem)|str(len|nlen|cspn|str|cmp|ncmp|casecmp|ncasecmp|chr|rchr)|__assert_fail|__stack_chk_fail|abort|_GLOBAL_OFFSET_TABLE_|SHA1.*|SHA256(Init|Update|Final)|inflate.*|deflate.*|zlibVersion|adler32|crc32)$'
# llhttp's own file has a debug printer and an allocator nobody calls
llhttp='^(malloc|free|fprintf|stderr)$'
found=$(nm -A "$1" 2>/dev/null | awk '
	{ split($1, f, ":"); member = f[2] }
	$(NF-1) ~ /^[TDBRVWtdbrvwC]$/ { def[$NF] = 1 }
	$(NF-1) == "U" { use[member " " $NF] = 1 }
	END { for (u in use) { split(u, p, " "); if (!(p[2] in def)) print u } }' |
	sort | while read -r member sym; do
		printf '%s\n' "$sym" | grep -qE "$allowed" && continue
		case $member in
		api.o|http.o|llhttp.o)
			printf '%s\n' "$sym" | grep -qE "$llhttp" && continue ;;
		esac
		echo "$member: $sym"
	done)
if [ -n "$found" ]; then
	echo "libstarfish-net.a is not pure; it asks for:"
	echo "$found"
	exit 1
fi
echo "libstarfish-net.a is pure"
