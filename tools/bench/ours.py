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
    { name = "server"; service = "http"; ports = [ "w0" ]; cpus = [ 1 ];
      idle = "spin"; listen = [ "10.99.0.2:80" ];
      http = { root = "%(www)s"; }; },
    { name = "client"; service = "wget"; ports = [ "w1" ]; cpus = [ 0 ];
      idle = "spin"; after = [ "server" ]; source_ports = "1024-65000";
      wget = { url = "http://10.99.0.2%(path)s"; flows = 0;
          concurrency = %(conns)d; keep_alive = %(keep)d;
          pipeline = %(depth)d; duration_s = %(seconds)d; }; }
);
"""


def write_conf(bench, case):
    path = bench.dir + "/bench.conf"
    # large files: jumbo frames, where loopback has an MTU of 65,536
    large = case.body >= 65536
    with open(path, "w") as f:
        f.write(CONF % {"mtu": 9000 if large else 1500,
                        "buffer": 9216 if large else 2048, "name": NAME, "www": bench.www, "path": case.path,
                        "conns": case.conns, "keep": 1 if case.one else 0,
                        "depth": case.depth,
                        "seconds": max(1, round(bench.seconds))})
    return path


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


def drops(bench):
    """Frames lost by cause, and segments sent again, of both workers."""
    p = subprocess.run([bench.program("bin/starfish"), "-n", NAME, "stats",
                        "--json"], stdout=subprocess.PIPE, check=True)
    r = json.loads(p.stdout)
    lost = {k: v for k, v in r["drops"].items() if v}
    if r["counters"]["tcp_retrans"]:
        lost["retransmitted"] = r["counters"]["tcp_retrans"]
    return lost


def wire(bench, case):
    """One sample of ours."""
    conf = write_conf(bench, case)
    with open(bench.dir + "/starfish.log", "w+b") as log:
        p = subprocess.Popen([bench.program("bin/starfish"), "up", "-c", conf],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            r = wait_report(p, log)
            lost = drops(bench)
        finally:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
            p.wait()
    bad = sum(r["errors"].values()) + r["mismatched"] + r["failed"]
    if bad or r["responses"] == 0:
        raise RuntimeError("wget: %d errors: %s" % (bad, json.dumps(
            {k: v for k, v in r.items() if not k.endswith("_us")})))
    return {"rate": r["responses"] / r["seconds"],
            "p50_us": r["whole_us"]["p50"], "p99_us": r["whole_us"]["p99"],
            "drops": lost}
