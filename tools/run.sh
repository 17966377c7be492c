#!/bin/sh
# `make run`: the lab instance in the foreground. usage: run.sh BUILD
build=$1
if [ "$(id -u)" -ne 0 ]; then
	echo "make run: needs root (hugepages, a tap interface): sudo make run" >&2
	exit 1
fi
if [ ! -c /dev/net/tun ]; then
	echo "make run: no /dev/net/tun: run: modprobe tun" >&2
	exit 1
fi
"$build/bin/starfish" up -c config/lab.conf --detach || exit 1
cat <<END

Starfish serves files over its own TCP/IP stack. Try, in another terminal:

	curl http://10.77.0.2/
	curl -d hello http://10.77.0.2/echo
	ping -c 3 10.77.0.2
	$build/bin/starfish status
	$build/bin/starfish conns

Ctrl-C ends it, and so does: $build/bin/starfish down

END
"$build/bin/starfish" -n lab status
stop() {
	"$build/bin/starfish" -n lab down
	exit $?
}
trap stop INT TERM
# until somebody says down
while "$build/bin/starfish" -n lab status >/dev/null 2>&1 || [ $? -eq 1 ]; do
	sleep 1 &
	wait $!
done
