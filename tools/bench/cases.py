"""What is measured: one row per name, and how its figure comes about."""
import json
import os
import re
import subprocess
from dataclasses import dataclass

import ours
import peers
import rounds


@dataclass
class Http:
    """An HTTP load: figures are requests/s, or Gbit/s of bodies."""
    path: str
    body: int
    conns: int = 64
    depth: int = 1
    one: bool = False           # one request per connection
    unit: str = "requests/s"
    bound: bool = False         # compare with copying alone, too


HTTP = {
    "http_keepalive_64": Http("/64.bin", 64),
    "http_keepalive_1k": Http("/1k.bin", 1024),
    "http_64k": Http("/64k.bin", 1 << 16, unit="Gbit/s", bound=True),
    "http_1m": Http("/1m.bin", 1 << 20, conns=16, unit="Gbit/s", bound=True),
    "http_pipeline16_64": Http("/64.bin", 64, depth=16),
    "http_close_64": Http("/64.bin", 64, one=True, unit="connections/s"),
}


@dataclass
class Echo:
    """Messages there and back: figures are messages/s, or the time of one."""
    conns: int
    bytes: int
    ws: bool = False
    unit: str = "messages/s"


ECHO = {
    "echo_rtt_1": Echo(1, 64, unit="us"),
    "echo_64": Echo(64, 64),
    "ws_echo_64": Echo(64, 64, ws=True),
}
# replay's arguments, and what we aim at
INSTR = {
    "instr_per_request": ([], 1500),
    "instr_per_request_stack": (["-s"], 900),
    "instr_per_request_pipelined": (["-P", "16"], 700),
    "instr_per_connection": (["-1"], 8000),
}
# a figure of a program in tests/bench, its unit, and what we aim at
SCALE = {
    "scale_idle_bytes": ("scale", "idle_bytes", "bytes", 512),
    "scale_turn_1m": ("scale", "turn_ratio", "x a turn among 1,000", 1.1),
    "scale_chosen": ("scale", "chosen_ratio", "x random tuples", 1.1),
    "scale_open": ("scale", "open_ratio", "x the first half's time", 1.1),
    "scale_close": ("scale", "close_ratio", "x the last half's time", 1.1),
    "adopt_1m": ("adopt", "more_ms", "ms more than 10,000", 300),
}
NAMES = list(HTTP) + list(ECHO) + ["wget_ceiling", "conn_bytes_idle"] + \
    list(INSTR) + list(SCALE)


def run(bench, name):
    """Measure name; the entry for results.json."""
    if name in HTTP:
        return http(bench, name, HTTP[name])
    if name in ECHO:
        return echo(bench, name, ECHO[name])
    if name == "wget_ceiling":
        return ceiling(bench, name)
    if name in INSTR:
        return instructions(bench, name, *INSTR[name])
    if name in SCALE:
        return scale(bench, name, *SCALE[name])
    return idle_memory(bench, name)


def figure(case, sample):
    if case.unit == "Gbit/s":
        return sample["rate"] * case.body * 8 / 1e9
    return sample["rate"]


def latency(samples, key):
    v = [s[key] for s in samples if key in s]
    return round(rounds.spread(v)["median"], 1) if v else None


def http(bench, name, case):
    """
    Ours and all peers in turn. The peer of the entry is the faster server;
    all of them are in `peers`.
    """
    contenders = {
        "ours": lambda: ours.wire(bench, case),
        "nginx+wrk": lambda: peers.nginx(bench, case),
        "kernel C": lambda: peers.kernel(bench, case),
    }
    if case.bound:
        contenders["memcpy alone"] = lambda: peers.memcpy(bench, case)
    return entry(bench, name, case.unit, contenders,
                 lambda x: figure(case, x))


def entry(bench, name, unit, contenders, of):
    """Let contenders run in turn; of(sample) is the figure."""
    samples, note = bench.turns(contenders)
    for x in samples["ours"]:       # what was lost on the wire, the most
        for k, v in x["drops"].items():
            lost = note.setdefault("drops", {})
            lost[k] = max(lost.get(k, 0), v)
    sums = {}
    for who, ss in samples.items():
        s = rounds.spread([of(x) for x in ss])
        s["p50_us"], s["p99_us"] = latency(ss, "p50_us"), latency(ss, "p99_us")
        sums[who] = s
    mine = sums.pop("ours")
    choose = min if unit == "us" else max
    best = choose((w for w in sums if w != "memcpy alone"),
                  key=lambda w: sums[w]["median"])
    return {"name": name, "unit": unit, "ours": mine,
            "peer": sums[best], "peer_name": best,
            "ratio": mine["median"] / sums[best]["median"],
            "peers": [dict(s, peer_name=w, ratio=mine["median"] / s["median"])
                      for w, s in sums.items()],
            "note": note}


def echo(bench, name, case):
    """Our echo or ws service, and those of the kernel's sockets."""
    contenders = {"ours": lambda: ours.echo(bench, case)}
    if case.ws:
        contenders["kernel C"] = lambda: peers.echo(bench, case)
        contenders["libwebsockets"] = lambda: peers.libwebsockets(bench, case)
    else:
        contenders["kernel C"] = lambda: peers.echo(bench, case)
        contenders["kernel C, busy polling"] = \
            lambda: peers.echo(bench, case, busy=True)
    return entry(bench, name, case.unit, contenders,
                 lambda x: x["p50_us" if case.unit == "us" else "rate"])


def ceiling(bench, name):
    """
    Requests per second that a load client does: per second of its core that
    it was busy, whatever the server takes.
    """
    case = HTTP["http_keepalive_64"]
    return entry(bench, name, "requests/s", {
        "ours": lambda: ours.wire(bench, case),
        "kernel C": lambda: peers.kernel(bench, case),
    }, lambda x: x["ceiling"])


def replay(bench, *args):
    """The command line; the file cache's image is made at the first call."""
    prog, image = bench.program("bench/replay"), bench.dir + "/www.image"
    if not os.path.exists(image):
        subprocess.run([prog, "-r", bench.www, "-o", image], check=True)
    return [prog, "-i", image, "-u", "/64.bin"] + list(args)


def instructions(bench, name, args, aim):
    """
    Instructions of the server's stack and service, counted by callgrind. Not
    a rate: the same build gives the same figure, so one run is enough.
    """
    n = 20000
    out = bench.dir + "/callgrind.out"
    p = subprocess.run(
        ["valgrind", "--tool=callgrind", "--toggle-collect=measured_turn",
         "--callgrind-out-file=" + out] + replay(bench, "-n", str(n), *args),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    m = re.search(r"Collected\s*:\s*(\d+)", p.stderr)
    if p.returncode != 0 or not m:
        raise RuntimeError("replay under callgrind: " + p.stdout + p.stderr)
    v = int(m.group(1)) / json.loads(p.stdout)["requests"]
    return {"name": name, "unit": "instructions",
            "ours": {"median": v, "min": v, "max": v}, "peer": None,
            "peer_name": None, "ratio": None, "aim": aim,
            "note": {"rounds": 1}}


def idle_memory(bench, name):
    """Bytes of one end of a connection that was used and is idle now."""
    p = subprocess.run(replay(bench, "-m", "-c", "1000"), check=True,
                       stdout=subprocess.PIPE, text=True)
    r = json.loads(p.stdout)
    mine = [r["conn_bytes"] + r["held_bytes"] / r["conns"]]
    theirs = [peers.idle_bytes(bench) for _ in range(bench.rounds)]
    a, b = rounds.spread(mine), rounds.spread(theirs)
    return {"name": name, "unit": "bytes", "ours": a, "peer": b,
            "peer_name": "kernel sockets", "ratio": a["median"] / b["median"],
            "aim": 512, "note": {"rounds": bench.rounds}}


def scale(bench, name, program, key, unit, aim):
    """A figure of a million connections in one process."""
    if not hasattr(bench, "scale_runs"):
        bench.scale_runs = {}
    if program not in bench.scale_runs:
        bench.scale_runs[program] = [
            json.loads(subprocess.run([bench.program("bench/" + program)],
                                      check=True, stdout=subprocess.PIPE,
                                      text=True).stdout)
            for _ in range(bench.rounds)]
    mine = rounds.spread([r[key] for r in bench.scale_runs[program]])
    return {"name": name, "unit": unit, "ours": mine, "peer": None,
            "peer_name": None, "ratio": None, "aim": aim,
            "note": {"rounds": bench.rounds}}
