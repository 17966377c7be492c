#!/bin/sh
# Run each unit test program named on the command line; sum up their counts.
passed=0 failed=0 bad=
for t in "$@"; do
	out=$("$t" 2>&1); rc=$?
	line=$(printf '%s\n' "$out" | sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' | awk '{c+=$1; f+=$2+$3} END {print c+0, f+0}')
	c=${line% *} f=${line#* }
	[ "$c" -gt 0 ] || { f=$((f + 1)); c=$f; }
	[ "$rc" -eq 0 ] || [ "$f" -gt 0 ] || f=1
	passed=$((passed + c - f)) failed=$((failed + f))
	if [ "$f" -gt 0 ]; then
		bad="$bad ${t##*/}"
		printf '%s\n' "$out"
	else
		printf '%-24s %s\n' "${t##*/}" "$c checks"
	fi
done
[ -z "$bad" ] || echo "failed:$bad"
echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
