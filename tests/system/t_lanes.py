"""Lanes other than tap: dispatched by the primary, and wire."""
import contextlib
import json
import os
import signal
import socket

from lib import (Instance, OURS, Reply, TMP, claim, connect, curl, equal, get,
                 http, sh, test, url, wait_for)
from t_files import SIZES, content, www


def veth(name="vs0", peer="vs1"):
    sh("ip", "link", "add", name, "type", "veth", "peer", "name", peer)
    sh("ip", "address", "add", "10.79.0.1/24", "dev", peer)
    for dev in (name, peer):
        # what the other end would leave to an absent NIC: checksums, TSO
        sh("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off",
           ok=None)
        sh("ip", "link", "set", dev, "up")


AF_PACKET = """{ name = "tap0"; type = "vdev";
    device = "net_af_packet0,iface=vs0,qpairs=1";
    address = [ "10.79.0.2/24" ]; lane = "dispatch"; }"""


@test
def af_packet_is_dispatched_to_workers():
    www(SIZES)
    veth()
    with Instance([http(count=2)], ports=AF_PACKET) as i:
        ports = i.cli("ports").stdout
        claim("dispatch" in ports, "the lane is shown: " + ports)
        sh("ping", "-c", "3", "-i", "0.2", OURS)
        for n in SIZES:
            claim(curl(url("/f%d.bin" % n)).stdout == content(n),
                  "size %d differs" % n)
        socks = [connect() for _ in range(200)]
        wait_for("200 connections", lambda: sum(
            w["connections"] for w in i.workers()) == 200)
        for s in socks:
            s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        for s in socks:
            equal(Reply(s).body, content(64), "body")
        for w in i.workers():
            claim(60 <= w["connections"] <= 140,
                  "both workers have their share: %d" % w["connections"])
        sh("ab", "-q", "-n", "2000", "-c", "20", "-k", url("/f64.bin"))
        equal(get("/f64.bin").status, 200, "and on")


@test
def stats_tell_what_a_dispatched_port_drops():
    www((64,))
    veth()
    with Instance([http(count=1)], ports=AF_PACKET) as i:
        equal(get("/f64.bin").status, 200, "a request")

        def port():
            return json.loads(i.cli("stats", "--json").stdout)["ports"]["tap0"]
        p = port()
        claim(p["rx_frames"] > 0 and p["tx_frames"] > 0, p)
        equal(p["drop_ring_full"], 0, "its ring has room: %s" % p)
        # a worker that takes nothing for a moment: its ring is full
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        pid = i.pids()[0]
        os.kill(pid, signal.SIGSTOP)
        for _ in range(20000):
            u.sendto(b"x", (OURS, 9))
        # by now it may have been taken for hung
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        wait_for("drops", lambda: port()["drop_ring_full"] > 0)
        text = i.cli("stats").stdout
        claim("port tap0" in text and "drop_ring_full" in text, text)
        claim("ports" not in i.cli("stats", "0").stdout, "of one slot")
        equal(json.loads(i.cli("stats", "0", "--json").stdout)["ports"], {},
              "of one slot")


WIRE = """name = "%(name)s";
memory = { buffers = 8192; connections = 4096; cache_mb = 64; };
ports = (
  { name = "w0"; type = "wire"; peer = "w1"; address = [ "10.79.0.2/24" ]; },
  { name = "w1"; type = "wire"; peer = "w0"; address = [ "10.79.0.3/24" ]; }
);
workers = (
  { name = "web"; service = "http"; ports = [ "w0" ]; count = 1;
    cpus = [ 1 ]; listen = [ "10.79.0.2:80" ];
    http = { root = "%(root)s/www"; }; },
  { name = "load"; service = "wget"; ports = [ "w1" ]; count = 1;
    cpus = [ 0 ]; after = [ "web" ];
    wget = { url = "http://10.79.0.2:%(port)d%(path)s"; %(more)s }; }
);
"""


def over_wire(name, path, more, port=80):
    """Run wget over a wire to its end: (its report, events of the end)."""
    i = Instance(name=name, text=WIRE % {
        "name": name, "root": TMP, "path": path, "more": more, "port": port})
    with i:
        report = "/run/starfish/%s/out/report-1" % name
        wait_for("the report of wget", lambda: os.path.exists(report), 30)
        with open(report) as f:
            r = json.load(f)
        wait_for("wget's worker leaves",
                 lambda: i.workers()[1]["state"] == "EMPTY", 5)
        return r, i.cli("events").stdout


@test
def wget_over_wire_counts_right():
    www((3000, 10 << 20))
    r, events = over_wire("wirek", "/f3000.bin",
                          "flows = 100; concurrency = 10; keep_alive = 20;")
    equal((r["started"], r["connected"], r["done"], r["failed"]),
          (100, 100, 100, 0), "flows")
    equal((r["requests"], r["responses"], r["mismatched"]), (2000, 2000, 0),
          "requests")
    equal(r["bytes_in"], 2000 * 3000, "bytes")
    equal(sum(r["errors"].values()), 0, "errors")
    equal(r["whole_us"]["n"], 2000, "samples")
    times = [r["whole_us"][q] for q in ("min", "p50", "p90", "p99", "p99.9",
                                        "max")]
    equal(times, sorted(times), "percentiles grow")
    for key, total in (("requests_per_s", 2000), ("connections_per_s", 100),
                       ("gbit_per_s", 2000 * 3000 * 8 / 1e9)):
        # seconds are cut to the millisecond, and few they are
        low = total / (r["seconds"] + 0.00101)
        high = total / max(r["seconds"] - 0.00001, 0.00001)
        claim(0.999 * low - 0.01 < r[key] < 1.001 * high + 0.01,
              "%s: %g, not %g to %g" % (key, r[key], low, high))
    claim("finished, status 0" in events, "it ends well: " + events)
    r, _ = over_wire("wirep", "/f3000.bin",
                     "flows = 50; concurrency = 50; keep_alive = 160; "
                     "pipeline = 16;")
    equal((r["responses"], r["bytes_in"]), (8000, 8000 * 3000), "pipelined")
    r, _ = over_wire("wire1", "/f3000.bin",
                     "flows = 3000; concurrency = 100; keep_alive = 1;")
    equal((r["done"], r["responses"]), (3000, 3000), "one request each")
    r, _ = over_wire("wirebig", "/f10485760.bin",
                     "flows = 8; concurrency = 4; keep_alive = 2;")
    equal(r["bytes_in"], 16 * (10 << 20), "large files")
    equal(r["mismatched"], 0, "of the right size")


@test
def wget_names_its_errors():
    www()
    r, events = over_wire("wire404", "/nothing", "flows = 10; concurrency = 2;")
    equal(r["errors"]["bad_status"], 10, "404 is an error")
    claim("finished, status 1" in events, "and the exit status: " + events)
    r, _ = over_wire("wireref", "/", "flows = 10; concurrency = 2;", port=81)
    equal(r["errors"]["connection_refused"], 10, "nobody listens")
    r, _ = over_wire("wiresize", "/f64.bin", "flows = 10; concurrency = 2; "
                     "expect_bytes = 65;")
    equal(r["mismatched"], 10, "a wrong size")


@test
def pingpong_over_wire_comes_back_right():
    for server, url in (("echo", "tcp://10.79.0.2:80/"),
                        ("ws", "ws://10.79.0.2/x")):
        i = Instance(name="pp" + server, text=(WIRE % {
            "name": "pp" + server, "root": TMP, "path": "", "more": "",
            "port": 80}).replace("http = { root = \"%s/www\"; };" % TMP, "")
            .replace('service = "http"', 'service = "%s"' % server)
            .replace('service = "wget"', 'service = "pingpong"')
            .replace('wget = { url = "http://10.79.0.2:80";  };',
                     'pingpong = { url = "%s"; concurrency = 20; '
                     'duration_s = 1; };' % url))
        with i:
            report = "/run/starfish/pp%s/out/report-1" % server
            wait_for("the report", lambda: os.path.exists(report), 30)
            with open(report) as f:
                r = json.load(f)
            equal(sum(r["errors"].values()), 0, "%s: errors" % server)
            claim(r["messages"] > 1000 and r["p50_ns"] > 100,
                  "%s: %s" % (server, r))
