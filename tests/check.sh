#!/bin/sh
# All that `make check` runs, cheapest first. usage: check.sh BUILD
build=$1
fail=
total=0

step() {
	echo "== $1"
	shift
	t0=$(date +%s)
	if "$@"; then
		total=$((total + 1))
	else
		fail="$fail $1"
	fi
	echo "   ($(($(date +%s) - t0)) s)"
}

step tidy tools/tidy
step docs tests/doc-tests
step pure tests/pure.sh "$build/lib/libstarfish-net.a"
step layout tests/layout.sh "$build"
step embed tests/embed.sh "$build"
step new_service tests/new_service.sh
step unit tests/run-unit.sh $(find "$build/test" -maxdepth 1 -type f -perm -100 \
    ! -name sim ! -name '*.*' | sort)
step sim tests/sim/all "$build/test/sim" 500
step flood "$build/bench/flood" -n 32000
step scripts "$build/test/sim" --scripts tests/sim/scripts
step wrong tests/sim/wrong-scripts "$build/test/sim"
step mutants tests/sim/mutants -n
step table "$build/test/sim" --table -j "$(nproc)"
BUILD=$build step system tests/system/run
n=$(echo $fail | wc -w)
echo "check: steps $([ "$n" -eq 0 ] && echo all passed || echo "failed:$fail")"
echo "$total passed, $n failed"
[ "$n" -eq 0 ]
