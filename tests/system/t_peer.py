"""
The Linux kernel as the peer, over tap: each claim both ways and over IPv4 and
IPv6. Bytes are compared one by one. A tap loses nothing unless its queue is
full, so neither side may ever wait for a timeout; and no receiver may wait
longer than one, 200 ms, plus what processes waited for a processor meanwhile,
which the kernel's scheduler tells: a busy machine is no stall.
"""
import contextlib
import errno
import json
import os
import random
import re
import socket
import struct
import threading
import time

from lib import (Instance, Reply, TMP, Skip, claim, equal, sh, test, wait_for,
                 write)
from t_files import content, www

FAMILIES = ("10.79.0.2", "fd79::2")
HTTP, ECHO = 80, 7
RTO = 0.2       # the kernel's least retransmission timeout, and ours

PORT = """{ name = "tap0"; type = "tap"; device = "%(dev)s"; mtu = 1500;
    host = "10.79.0.1/24"; host6 = "fd79::1/64";
    address = [ "10.79.0.2/24", "fd79::2/64" ];
    gateway = "10.79.0.1"; gateway6 = "fd79::1"; }"""
WEB = """{ name = "web"; service = "http"; ports = [ "tap0" ]; count = 1;
    cpus = [ 0 ]; listen = [ "*:80" ];
    http = { root = "%s/www"; echo = "/echo"; }; }"""
BACK = """{ name = "echo"; service = "echo"; ports = [ "tap0" ]; count = 1;
    cpus = [ 1 ]; listen = [ "*:7" ]; echo = { mode = "echo"; }; }"""
LOAD = """{ name = "load"; service = "wget"; ports = [ "tap0" ]; count = 1;
    cpus = [ 0 ]; after = [ "echo" ];
    wget = { url = "http://%s:8088/x"; flows = %d; concurrency = 20;
    keep_alive = 1; expect_bytes = 3000; }; }"""


def instance(name, more=()):
    i = Instance([WEB % TMP, BACK] + list(more), name=name,
                 ports=PORT % {"dev": "sf-" + name[-8:]})
    i.up()
    # each worker makes sure first that nobody else has its address, RFC 4862
    for port in (HTTP, ECHO):
        wait_for("our IPv6 address", lambda: reached(FAMILIES[1], port), 10)
    i.timeouts = netstat("TCPTimeouts")
    return i


def dial(host, port, **opts):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    s = socket.socket(family, socket.SOCK_STREAM)
    for level, name, value in opts.get("sockopts", ()):
        s.setsockopt(level, name, value)
    s.settimeout(20)
    s.connect((host, port))
    return s


def reached(host, port):
    try:
        dial(host, port).close()
    except OSError:
        return False
    return True


def stream(n, seed=1):
    return random.Random(seed).randbytes(n)


def send_all(s, data, shut):
    s.sendall(data)
    if shut:
        s.shutdown(socket.SHUT_WR)


def delayed(pid):
    """Seconds that all threads of a process waited for a processor."""
    n = 0
    with contextlib.suppress(OSError):      # it may have ended
        for t in os.listdir("/proc/%s/task" % pid):
            with open("/proc/%s/task/%s/schedstat" % (pid, t)) as f:
                n += int(f.read().split()[1])
    return n / 1e9


class Patience:
    """How long one may wait for the next bytes."""

    def __init__(self, i):
        self.pids = [w["pid"] for w in i.workers()] + ["self"]
        self.last = time.monotonic()
        self.longest = 0
        self.start = self.waited()

    def waited(self):
        return sum(delayed(p) for p in self.pids)

    def came(self):
        now = time.monotonic()
        self.longest = max(self.longest, now - self.last)
        self.last = now

    def judge(self, what):
        busy = self.waited() - self.start
        claim(self.longest <= RTO + busy,
              "%s: nothing came for %.3f s, processes waited %.3f s" % (
                  what, self.longest, busy))


def recv_all(s, patience=None):
    parts = []
    while True:
        b = s.recv(1 << 18)
        if patience:
            patience.came()
        if not b:
            return b"".join(parts)
        parts.append(b)


def echoed(i, host, data, wait_s=0.0, **opts):
    """Send data to the echo service, half-close, and take it all back; wait_s:
    nothing is read for that long."""
    s = dial(host, ECHO, **opts)
    t = threading.Thread(target=send_all, args=(s, data, True), daemon=True)
    t.start()
    time.sleep(wait_s)
    patience = Patience(i)
    got = recv_all(s, patience)
    t.join(20)
    s.close()
    claim(got == data, "%s: %d bytes came back, of %d" % (
        host, len(got), len(data)))
    patience.judge(host + " echo")


def fetched(i, host, n, path="/f%d.bin"):
    s = dial(host, HTTP)
    patience = Patience(i)
    s.sendall(b"GET " + (path % n).encode() + b" HTTP/1.1\r\nHost: h\r\n"
              b"Connection: close\r\n\r\n")
    head, _, body = recv_all(s, patience).partition(b"\r\n\r\n")
    claim(head.startswith(b"HTTP/1.1 200 "), head[:100])
    claim(body == content(n), "%s: %d bytes of %d" % (host, len(body), n))
    s.close()
    patience.judge(host + " http")


def netstat(name):
    """A counter of the kernel's, of this namespace alone."""
    with open("/proc/net/netstat") as f:
        lines = f.read().splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        d = dict(zip(names.split()[1:], values.split()[1:]))
        if name in d:
            return int(d[name])
    return 0


def gone(i):
    wait_for("all connections are gone", lambda: sum(
        w["connections"] for w in i.workers()) == 0, 15)


def sysctl(name, value):
    write("/proc/sys/net/ipv4/" + name, str(value))


def lost(i):
    """Frames that the tap's queue, or a buffer that was not there, lost."""
    c = i.counters()
    with open("/sys/class/net/%s/statistics/tx_dropped" % i.dev) as f:
        return int(f.read()) + c["drop_no_buffer"] + c["drop_tx_full"]


def never_stalled(i):
    """Nobody waited for a timeout, unless frames were lost or, seen from the
    kernel, our process did not run: ours reads before it looks at timers."""
    c = i.counters()
    equal(c["tcp_timeouts"], 0, "connections that timed out")
    equal(netstat("TCPAbortOnTimeout"), 0, "the kernel's that timed out")
    if lost(i) == 0:
        equal(c["tcp_rto"], 0, "timeouts of ours")
        if sum(delayed(w["pid"]) for w in i.workers()) < RTO / 2:
            equal(netstat("TCPTimeouts") - i.timeouts, 0,
                  "timeouts of the kernel's")


@test
def peer_bulk_both_ways():
    www((3000, 8 << 20))
    i = instance("peer1")
    for host in FAMILIES:
        fetched(i, host, 8 << 20)
        echoed(i, host, stream(8 << 20))
        echoed(i, host, b"")
        echoed(i, host, b"x")
    never_stalled(i)
    gone(i)
    i.down()


@test
def peer_options_off():
    """Timestamps, SACK, window scale and ECN, as the kernel is told."""
    www((3000, 1 << 20))
    i = instance("peer2")
    data = stream(1 << 20)
    for name, value in (("tcp_timestamps", 0), ("tcp_sack", 0),
                        ("tcp_window_scaling", 0), ("tcp_timestamps", 1),
                        ("tcp_sack", 1), ("tcp_window_scaling", 1),
                        ("tcp_ecn", 1), ("tcp_ecn", 0)):
        sysctl(name, value)
        for host in FAMILIES:
            fetched(i, host, 1 << 20)
            echoed(i, host, data)
    sysctl("tcp_ecn", 1)
    s = dial(FAMILIES[0], ECHO)
    s.sendall(b"x")
    equal(s.recv(1), b"x", "echo")
    claim(" ecn " in sh("ss", "-tine", "dst", FAMILIES[0]).stdout,
          "ECN was agreed")
    s.close()
    never_stalled(i)
    i.down()


def zero_windows(i, seconds):
    """Nobody reads for so long: both windows close and open again."""
    data = stream(12 << 20, 3)
    for host in FAMILIES:
        echoed(i, host, data, wait_s=seconds, sockopts=(
            (socket.SOL_SOCKET, socket.SO_RCVBUF, 65536),))
    claim(i.counters()["tcp_probe"] > 0, "we probed the kernel's window")
    claim(netstat("TCPFromZeroWindowAdv") + netstat("TCPWantZeroWindowAdv") +
          netstat("TCPToZeroWindowAdv") > 0, "its window was closed")
    never_stalled(i)


@test
def peer_zero_window():
    www()
    i = instance("peer3")
    zero_windows(i, 1.5)
    i.down()


@test
def peer_resets_and_half_closes():
    www((3000, 8 << 20))
    i = instance("peer4")
    for host in FAMILIES:
        # refused
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        s = socket.socket(family, socket.SOCK_STREAM)
        equal(s.connect_ex((host, 81)), errno.ECONNREFUSED, "refused")
        s.close()
        # the kernel resets in the middle of a body
        s = dial(host, HTTP)
        s.sendall(b"GET /f%d.bin HTTP/1.1\r\nHost: h\r\n\r\n" % (8 << 20))
        claim(len(s.recv(1000)) > 0, "it begins")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()
        # half-closed by the kernel first, then answered
        s = dial(host, ECHO)
        s.shutdown(socket.SHUT_WR)
        equal(recv_all(s), b"", "our FIN answers theirs")
        s.close()
    wait_for("the resets are counted",
             lambda: i.counters()["tcp_reset_in"] >= 2)
    gone(i)
    never_stalled(i)
    i.down()


@test
def peer_keepalive():
    """RFC 9293 (3.8.4): the kernel's probes of an idle connection."""
    www()
    i = instance("peer5")
    k = socket.IPPROTO_TCP
    for host in FAMILIES:
        s = dial(host, ECHO, sockopts=(
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (k, socket.TCP_KEEPIDLE, 1), (k, socket.TCP_KEEPINTVL, 1),
            (k, socket.TCP_KEEPCNT, 2)))
        was = netstat("TCPKeepAlive")
        wait_for("three probes", lambda: netstat("TCPKeepAlive") >= was + 3,
                 15)
        s.sendall(b"alive")
        equal(s.recv(5), b"alive", "echo")
        s.close()
    never_stalled(i)
    i.down()


class Server(threading.Thread):
    """A small server of the kernel's side: 3,000 bytes each, and the end."""

    def __init__(self, address):
        super().__init__(daemon=True)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((address, 8088))
        self.sock.listen(512)

    def run(self):
        reply = (b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n"
                 b"Connection: close\r\n\r\n" + b"r" * 3000)
        while True:
            s, _ = self.sock.accept()
            if s.recv(4096):
                s.sendall(reply)
            s.close()


def short_connections(name, n):
    """n connections of the kernel's to us, then n of ours to the kernel."""
    www((3000,))
    i = instance(name)
    for host in ("10.79.0.2", "[fd79::2]"):
        out = sh("ab", "-q", "-n", str(n), "-c", "20",
                 "http://%s/f3000.bin" % host).stdout
        equal(re.search(r"Complete requests:\s+(\d+)", out).group(1), str(n),
              "ab: complete")
        equal(re.search(r"Failed requests:\s+(\d+)", out).group(1), "0",
              "ab: failed")
    never_stalled(i)
    i.down()
    for host in ("10.79.0.1", "[fd79::1]"):
        timeouts = netstat("TCPTimeouts")
        i = Instance([BACK, LOAD % (host, n)], name=name + "a",
                     ports=PORT % {"dev": "sf-" + (name + "a")[-8:]})
        sysctl("ip_nonlocal_bind", 1)
        write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1")
        server = Server(host.strip("[]"))
        server.start()
        i.up()
        i.timeouts = timeouts
        report = "/run/starfish/%sa/out/report-1" % name
        wait_for("the report of wget", lambda: os.path.exists(report), 100)
        with open(report) as f:
            r = json.load(f)
        # our IPv6 address may not speak before it is known to be the only
        # one (RFC 4862), which takes a second
        early = r["errors"]["unreachable"] if ":" in host else 0
        equal((r["done"], r["failed"]), (n - early, early), "our flows")
        claim(r["done"] > 0, "some came after that second")
        equal(r["mismatched"], 0, "mismatched")
        never_stalled(i)
        server.sock.close()
        i.down()
        if os.path.exists(report):
            os.unlink(report)


@test
def peer_short_connections():
    short_connections("peer6", 1000)


@test
def peer_path_mtu_changes():
    """RFC 1191, RFC 8201: a router behind which less fits, from the middle of
    a download on."""
    if sh("ip", "netns", "add", "far", ok=None).returncode != 0:
        raise Skip("no network namespaces here")
    www((3000, 24 << 20))
    i = instance("peer7")
    sh("ip", "link", "add", "r0", "type", "veth", "peer", "name", "r1")
    sh("ip", "link", "set", "r1", "netns", "far")
    sh("ip", "addr", "add", "10.80.0.1/24", "dev", "r0")
    sh("ip", "addr", "add", "fd80::1/64", "dev", "r0", "nodad")
    sh("ip", "link", "set", "r0", "up")
    for cmd in ("addr add 10.80.0.2/24 dev r1",
                "addr add fd80::2/64 dev r1 nodad", "link set r1 up",
                "link set lo up", "route add default via 10.80.0.1",
                "-6 route add default via fd80::1"):
        sh("ip", "-n", "far", *cmd.split())
    sysctl("ip_forward", 1)
    write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
    for host, mtu in (("10.79.0.2", 1290), ("[fd79::2]", 1300)):
        sh("ip", "link", "set", "r0", "mtu", "1500")
        out = os.path.join(TMP, "got")
        p = threading.Thread(target=sh, args=(
            "ip", "netns", "exec", "far", "curl", "-gsS", "-m", "30", "-o",
            out, "--limit-rate", "12M", "http://%s/f%d.bin" %
            (host, 24 << 20)))
        p.start()
        wait_for("a part of it", lambda: os.path.exists(out) and
                 os.path.getsize(out) > 1 << 20, 15)
        learned = i.counters()["pmtu_learned"]
        sh("ip", "link", "set", "r0", "mtu", str(mtu))
        p.join(40)
        claim(not p.is_alive(), "the download ends")
        with open(out, "rb") as f:
            claim(f.read() == content(24 << 20), host + ": it is right")
        claim(i.counters()["pmtu_learned"] > learned, "it was learned")
        os.unlink(out)
    never_stalled(i)
    i.down()


@test
def long_peer_zero_window():
    www()
    i = instance("peer8")
    zero_windows(i, 10)
    i.down()


@test
def long_peer_short_connections():
    short_connections("peer9", 10000)


@test
def long_peer_bulk():
    www((3000, 8 << 20))
    i = instance("peer10")
    for host in FAMILIES:
        for _ in range(8):
            fetched(i, host, 8 << 20)
        echoed(i, host, stream(64 << 20))
    never_stalled(i)
    i.down()
