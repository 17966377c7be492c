#!/bin/sh
# usage: run-fuzz.sh DIR SECONDS TARGET...
# Run each libFuzzer target for that long over a copy of its corpus.
dir=$1 secs=$2
shift 2
passed=0 failed=0 before=0

# seconds of processor time that children took
spent() {
	times >"$dir/times"
	awk 'NR == 2 { split($1, t, /[ms]/); print int(60 * t[1] + t[2]) }' \
	    "$dir/times"
}

for t in "$@"; do
	work=$(mktemp -d)
	seeds=tests/fuzz/corpus/$t
	[ -d "$seeds" ] || seeds=
	if "$dir/$t" -max_total_time="$secs" -timeout=10 -rss_limit_mb=4096 \
	    -print_final_stats=1 -artifact_prefix="$dir/" \
	    "$work" $seeds >"$dir/$t.log" 2>&1; then
		passed=$((passed + 1))
		after=$(spent)
		printf '%-20s %s, %d s of processor time\n' "$t" "$(sed -n \
		    's/^stat::number_of_executed_units: */runs: /p' \
		    "$dir/$t.log")" $((after - before))
		before=$after
	else
		failed=$((failed + 1))
		tail -n 40 "$dir/$t.log"
		echo "$t: failed; log and input in $dir"
	fi
	rm -rf "$work"
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
