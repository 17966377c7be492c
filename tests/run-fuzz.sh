#!/bin/sh
# usage: run-fuzz.sh DIR SECONDS TARGET...
# Run each libFuzzer target for that long over a copy of its corpus.
dir=$1 secs=$2
shift 2
passed=0 failed=0
for t in "$@"; do
	work=$(mktemp -d)
	seeds=tests/fuzz/corpus/$t
	[ -d "$seeds" ] || seeds=
	if "$dir/$t" -max_total_time="$secs" -timeout=10 -rss_limit_mb=4096 \
	    -print_final_stats=1 -artifact_prefix="$dir/" \
	    "$work" $seeds >"$dir/$t.log" 2>&1; then
		passed=$((passed + 1))
		printf '%-20s %s\n' "$t" "$(sed -n \
		    's/^stat::number_of_executed_units: */runs: /p' "$dir/$t.log")"
	else
		failed=$((failed + 1))
		tail -n 40 "$dir/$t.log"
		echo "$t: failed; log and input in $dir"
	fi
	rm -rf "$work"
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
