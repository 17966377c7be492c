"""Ours: an http worker on core 1 and a wget worker on core 0, over a wire."""
import json
import os
import signal
import subprocess
import time

NAME = "bench"
CONF = """name = "%(name)s";
memory = { buffers = 16384; connections = 16384; timewait = 262144;
    chunks = 8192; wire_ring = 2048; cache_mb = 64;
    buffer_size = %(buffer)d; };
tcp = { timewait_ms = 1000; };
ports = (
    { name = "w0"; type = "wire"; peer = "w1"; mtu = %(mtu)d;
      address = [ "10.99.0.2/24" ]; },
    { name = "w1"; type = "wire"; peer = "w0"; mtu = %(mtu)d;
      address = [ "10.99.0.3/24" ]; }
);
workers = (
    { name = "server"; ports = [ "w0" ]; cpus = [ 1 ];
      idle = "spin"; listen = [ "10.99.0.2:80" ]; %(server)s },
    { name = "client"; ports = [ "w1" ]; cpus = [ 0 ];
      idle = "spin"; after = [ "server" ]; source_ports = "1024-65000";
      %(client)s }
);
"""


HTTP = """service = "http"; http = { root = "%s"; };"""
WGET = """service = "wget"; wget = { url = "http://10.99.0.2%s"; flows = 0;
    concurrency = %d; keep_alive = %d; pipeline = %d; duration_s = %d; };"""
PINGPONG = """service = "pingpong"; pingpong = { url = "%s://10.99.0.2:80/";
    concurrency = %d; bytes = %d; duration_s = %d; };"""
ECHO = """service = "%s";"""


def write_conf(bench, server, client, large=False):
    """large: jumbo frames, where loopback has an MTU of 65,536."""
    path = bench.dir + "/bench.conf"
    with open(path, "w") as f:
        f.write(CONF % {"mtu": 9000 if large else 1500,
                        "buffer": 9216 if large else 2048, "name": NAME,
                        "server": server, "client": client})
    return path


def seconds(bench):
    return max(1, round(bench.seconds))


def wait_report(p, log):
    """The client's report, once it is there."""
    path = "/run/starfish/%s/out/report-1" % NAME
    end = time.monotonic() + 60
    while not os.path.exists(path):
        if p.poll() is not None or time.monotonic() > end:
            log.flush()
            log.seek(0)
            raise RuntimeError("starfish: no report\n" +
                               log.read().decode(errors="replace"))
        time.sleep(0.02)
    with open(path) as f:
        return json.load(f)


def stats(bench, *slot):
    p = subprocess.run([bench.program("bin/starfish"), "-n", NAME, "stats",
                        *slot, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(p.stdout)


def drops(r):
    """Frames lost by cause, and segments sent again, of both workers."""
    lost = {k: v for k, v in r["drops"].items() if v}
    if r["counters"]["tcp_retrans"]:
        lost["retransmitted"] = r["counters"]["tcp_retrans"]
    return lost


def run(bench, conf):
    """An instance until its client reports: (report, drops, client's busy
    seconds)."""
    with open(bench.dir + "/starfish.log", "w+b") as log:
        p = subprocess.Popen([bench.program("bin/starfish"), "up", "-c", conf],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            r = wait_report(p, log)
            lost = drops(stats(bench))
            busy = stats(bench, "1")["counters"]["busy_us"] / 1e6
        finally:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
            p.wait()
    return r, lost, busy


def wire(bench, case):
    """One sample of http under wget."""
    r, lost, busy = run(bench, write_conf(
        bench, HTTP % bench.www,
        WGET % (case.path, case.conns, 1 if case.one else 0, case.depth,
                seconds(bench)), case.body >= 65536))
    bad = sum(r["errors"].values()) + r["mismatched"] + r["failed"]
    if bad or r["responses"] == 0:
        raise RuntimeError("wget: %d errors: %s" % (bad, json.dumps(
            {k: v for k, v in r.items() if not k.endswith("_us")})))
    return {"rate": r["responses"] / r["seconds"],
            "ceiling": r["responses"] / busy,
            "p50_us": r["whole_us"]["p50"], "p99_us": r["whole_us"]["p99"],
            "drops": lost}


def echo(bench, case):
    """One sample of echo or ws under pingpong."""
    r, lost, _ = run(bench, write_conf(
        bench, ECHO % ("ws" if case.ws else "echo"),
        PINGPONG % ("ws" if case.ws else "tcp", case.conns, case.bytes,
                    seconds(bench))))
    bad = sum(r["errors"].values())
    if bad or r["messages"] == 0:
        raise RuntimeError("pingpong: " + json.dumps(r))
    return {"rate": r["messages"] / r["seconds"],
            "p50_us": r["p50_ns"] / 1e3, "p99_us": r["p99_ns"] / 1e3,
            "drops": lost}
