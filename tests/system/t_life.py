"""The life of an instance: up, down, twice, side by side, killed."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter

from lib import (BUILD, TMP, Instance, claim, connect, equal, get, http, kill,
                 processes, sh, snapshot, starfish, test, url, wait_deaths,
                 wait_for, curl)
from t_files import content, www


def left_behind(before):
    """What is there now and was not before, or the reverse; '' if nothing."""
    now, out = snapshot(), []
    for k in before:
        if now[k] == before[k]:
            continue
        if isinstance(now[k], int):
            out.append("%s: %d, before: %d" % (k, now[k], before[k]))
            continue
        more, gone = Counter(now[k]), Counter(before[k])
        out.append("%s: more: %s, gone: %s" % (k, list(more - gone),
                                               list(gone - more)))
    return "; ".join(out)


@test
def twenty_starts_and_stops_leave_nothing_behind():
    www()
    i = Instance()
    before = snapshot()
    for n in range(20):
        i.up()
        equal(get("/f64.bin").body, content(64), "start %d" % n)
        i.down()
        left = left_behind(before)
        if left:
            time.sleep(1)       # the kernel takes its time with interfaces
            left = left_behind(before)
        claim(not left, "after stop %d: %s" % (n + 1, left))


@test
def detach_returns_when_all_serve():
    www()
    i = Instance()
    for _ in range(3):
        i.up()
        st = i.status(ok=(0,))
        equal({w["state"] for w in st["workers"]}, {"SERVING"}, "states")
        equal(get("/f64.bin").status, 200, "at once")
        i.down()


@test
def two_instances_run_side_by_side():
    www()
    a = Instance()
    b = Instance([http()], net="10.80.0")
    with a:
        with b:
            for host in ("10.79.0.2", "10.80.0.2"):
                equal(curl(url("/f64.bin", host)).stdout, content(64), host)
            p = starfish("status", ok=None)
            claim(p.returncode != 0 or
                  (a.name in p.stdout and b.name in p.stdout),
                  "without -n two instances are ambiguous: " + p.stdout)
        equal(curl(url("/f64.bin", "10.79.0.2")).stdout, content(64),
              "one down, the other serves")
        starfish("status")      # the only one by default


@test
def a_second_up_says_who_runs():
    www()
    with Instance() as i:
        p = starfish("up", "-c", i.file, "--detach", ok=None)
        claim(p.returncode != 0, "second up must fail")
        text = p.stdout + p.stderr
        sup = [pid for pid, name in processes().items()
               if name == "starfish"]
        claim(any(str(pid) in text for pid in sup),
              "names the supervisor's pid %s: %s" % (sup, text))
        claim("since" in text, "says since when: " + text)
        equal(get("/f64.bin").status, 200, "the first one is untouched")
        claim(i.well(), "and well")


@test
def status_tells_by_exit_status_and_json():
    www()
    i = Instance()
    equal(i.cli("status", ok=None).returncode, 2, "down")
    with i:
        p = i.cli("status")
        claim("well" in p.stdout.splitlines()[0], "first line: " + p.stdout)
        claim(all(len(line) <= 100 for line in p.stdout.splitlines()),
              "tables fit 100 columns")
        st = i.status()
        equal(st["name"], i.name, "name")
        equal(st["state"], "well", "state")
        claim(isinstance(st["generation"], int), "generation")
        for w in st["workers"]:
            for k in ("slot", "service", "cpu", "pid", "state",
                      "connections", "epoch", "heartbeat_age_ms"):
                claim(k in w, "worker has " + k)
            claim(w["heartbeat_age_ms"] < 1000, "heart beats")
            claim(os.path.exists("/proc/%d" % w["pid"]), "pid lives")
        # a standby would take over in milliseconds: nobody may tell it to
        frozen = [p for p, n in processes().items() if n == "starfish"]
        frozen.append(st["workers"][0]["pid"])
        for p in frozen:
            kill(p, signal.SIGSTOP)
        try:
            wait_for("a frozen worker shows", lambda: i.cli(
                "status", ok=None).returncode == 1, 10)
            claim("slot 0" in i.cli("status", ok=(1,)).stdout, "which one")
        finally:
            for p in frozen:
                with contextlib.suppress(ProcessLookupError):
                    kill(p, signal.SIGCONT)
        wait_for("well again", i.well, 15)
    equal(i.cli("status", ok=None).returncode, 2, "down again")


@test
def every_reading_verb_prints_a_table_and_json():
    www()
    with Instance() as i, connect() as s:
        s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        s.recv(65536)
        for verb in ("status", "workers", "ports", "buckets", "conns",
                     "stats", "events"):
            p = i.cli(verb)
            claim(p.stdout.strip(), verb + " prints something")
            wide = [t for t in p.stdout.splitlines() if len(t) > 100]
            claim(not wide, verb + " is wider than 100: %s" % wide)
            json.loads(i.cli(verb, "--json").stdout)
        claim("10.79.0.1" in i.cli("conns").stdout, "conns shows the client")
        for verb in ("version", "help"):
            claim(starfish(verb).stdout.strip(), verb)
        starfish("config", "check", i.file)
        claim("buffers" in starfish("config", "show", i.file).stdout,
              "config show")
        p = starfish("nonsense", ok=None)
        claim(p.returncode != 0 and "nonsense" in p.stderr, "unknown verb")


@test
def a_killed_worker_comes_back():
    www()
    with Instance() as i:
        socks = [connect() for _ in range(60)]
        wait_for("60 connections", lambda: sum(
            w["connections"] for w in i.workers()) == 60)
        ws = i.workers()
        epoch = ws[0]["epoch"]
        kill(ws[0]["pid"])
        # in this order: before the death is seen, all is well
        wait_for("another epoch", lambda: i.workers()[0]["epoch"] > epoch, 10)
        wait_for("well again", i.well, 10)
        claim(i.workers()[0]["pid"] != ws[0]["pid"], "another process")
        equal(i.workers()[1]["pid"], ws[1]["pid"], "the other stayed")
        alive = 0
        for s in socks:
            with contextlib.suppress(OSError):
                s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
                alive += s.recv(65536).startswith(b"HTTP/1.1 200")
        print("%d of 60 connections live, %d were the other's" %
              (alive, ws[1]["connections"]))
        claim(alive >= ws[1]["connections"],
              "the other worker's %d connections live: %d do" %
              (ws[1]["connections"], alive))
        claim(alive >= 59, "one connection may be torn; %d of 60 live" % alive)
        for _ in range(40):
            equal(get("/f64.bin").status, 200, "new connections")


@test
def kills_during_traffic_lose_no_worker():
    www((1000,))
    with Instance() as i:
        wrk = subprocess.Popen(["wrk", "-t1", "-c32", "-d8s",
                                url("/f1000.bin")], stdout=subprocess.PIPE,
                               text=True)
        for n in range(4):
            time.sleep(0.7)
            pid = i.workers()[n % 2]["pid"]
            kill(pid)
            wait_for("slot %d is back" % (n % 2), lambda:
                     i.replaced(n % 2, pid), 10)
        print(wrk.communicate()[0])
        wait_for("well", i.well, 5)
        for _ in range(20):
            equal(get("/f1000.bin").body, content(1000), "afterwards")


def named(name):
    """Pids of the processes whose name starts so."""
    return [pid for pid, n in processes().items() if n.startswith(name)]


@test
def a_worker_that_dies_too_often_stays_dead_until_told():
    www()
    with Instance() as i:
        seen = set()
        for _ in range(40):
            w = i.workers()[0]
            if w["state"] == "DEAD" and w["pid"] == 0 and len(seen) >= 5:
                break
            if w["state"] == "SERVING" and w["pid"] not in seen:
                seen.add(w["pid"])
                kill(w["pid"])
            time.sleep(0.15)
        equal(i.workers()[0]["state"], "DEAD", "after %d kills" % len(seen))
        p = i.cli("status", ok=(1,))
        claim("DEAD" in p.stdout, "status says so: " + p.stdout)
        claim("SIGKILL" in i.cli("workers").stdout, "and why")
        i.cli("restart", "0")
        wait_for("well again", i.well, 10)
        for _ in range(20):
            equal(get("/f64.bin").status, 200, "and serving")


@test
def workers_serve_on_without_primary_or_supervisor():
    for name in ("starfish-prim", "starfish"):
        www()
        i = Instance()
        before = snapshot()
        i.up()
        s = connect()
        # the supervisor's child that will be a standby bears its name at first
        st = i.status()
        kill(st["supervisor"]["pid"] if name == "starfish" else
             st["primary"]["pid"])
        wait_for("status shows it", lambda: i.cli(
            "status", ok=None).returncode == 1, 10)
        s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        claim(s.recv(65536).endswith(content(64)), "old connections live")
        equal(get("/f64.bin").status, 200, "new ones are taken")
        i.down()
        wait_for("all are gone", lambda: not named("starfish"), 5)
        left = left_behind(before)
        # what the dead supervisor took from the kernel only it knew
        claim(not left or left.startswith("hugepages"), left)


def foreground(i):
    """`up` without --detach; returns it once all serve."""
    log = open(i.log, "w")
    p = subprocess.Popen([BUILD + "/bin/starfish", "up", "-c", i.file],
                         stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for("all serve", i.well, 20)
    return p


@test
def signals_end_everything_in_order():
    www()
    for sig in (signal.SIGTERM, signal.SIGINT):
        i = Instance()
        before = snapshot()
        p = foreground(i)
        workers = list(i.pids().values())
        primary = named("starfish-prim")
        equal(len(primary), 1, "one primary")
        p.send_signal(sig)
        order = wait_deaths(workers + primary + [p.pid], 10)
        claim(order.index(primary[0]) > max(order.index(w) for w in workers),
              "workers before the primary: %s" % order)
        equal(order[-1], p.pid, "the supervisor last")
        equal(p.wait(), 0, "exit status after signal %d" % sig)
        claim(not left_behind(before), left_behind(before))


@test
def workers_wait_for_those_they_come_after():
    www()
    entries = [http(name="late", count=1, entry='after = [ "early" ];'),
               """{ name = "early"; service = "echo"; ports = [ "tap0" ];
    count = 1; cpus = [ 1 ]; listen = [ "10.79.0.2:7" ]; }"""]
    with Instance(entries) as i:
        pids = {w["service"]: w["pid"] for w in i.workers()}

        def started(pid):
            with open("/proc/%d/stat" % pid) as f:
                return int(f.read().rpartition(")")[2].split()[19])
        claim(started(pids["echo"]) <= started(pids["http"]),
              "early starts before late")


@test
def rubbish_on_the_control_socket_is_answered_and_dropped():
    www()
    with Instance() as i:
        d = "/run/starfish/" + i.name
        path = [os.path.join(d, f) for f in os.listdir(d)
                if sh("test", "-S", os.path.join(d, f),
                      ok=None).returncode == 0]
        equal(len(path), 1, "one socket in %s" % os.listdir(d))
        for data in (bytes(range(128, 228)) + b"\n", b"\0" * 4096,
                     b"A" * (1 << 20), b"\n" * 1000, b"{" * 5000,
                     b"down\0\xff\xfe\n", b"nonsense\n", b"down now\n"):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.settimeout(3)
            s.connect(path[0])
            with contextlib.suppress(BrokenPipeError, ConnectionResetError,
                                     socket.timeout):
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            got = b""
            with contextlib.suppress(ConnectionResetError):
                while True:
                    part = s.recv(65536)
                    if not part:
                        break
                    got += part
            claim(got, "an error is answered to %r..." % data[:10])
            s.close()
        # one that says nothing must not hold up the others
        mute = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mute.connect(path[0])
        claim(i.well(), "well afterwards")
        equal(get("/f64.bin").status, 200, "and serving")
        mute.close()


@test
def files_of_a_stopped_instance_may_lie_about():
    """After kill -9 of everything, the next up cleans and starts."""
    www()
    i = Instance()
    before = snapshot()
    i.up()
    for pid in list(processes()):
        with contextlib.suppress(ProcessLookupError):
            kill(pid)
    wait_for("all are dead", lambda: not processes(), 5)
    equal(i.cli("status", ok=None).returncode, 2, "status says down")
    with i:
        equal(get("/f64.bin").body, content(64), "it serves again")
    left = left_behind(before)
    claim(not left or "hugepages" in left, left)
    claim(TMP not in left, left)
