"""Standbys, hangs, crash loops, and that nothing is lost."""
import contextlib
import glob
import json
import os
import signal
import socket
import subprocess
import threading
import time

from lib import (BUILD, Instance, claim, conf, connect, equal, get, http, kill,
                 read, test, url, wait_for)
from t_files import content, www


def instance(standby=1, count=2, hang_ms=500, extra="", **kw):
    text = conf("x", [http(count=count)], extra="standby = %d;\nhang_ms = %d;"
                % (standby, hang_ms) + extra, **kw)
    i = Instance()
    text = text.replace('name = "x"', 'name = "%s"' % i.name)
    text = text.replace('"sf-x"', '"%s"' % i.dev)
    with open(i.file, "w") as f:
        f.write(text)
    return i


def ready(i):
    """Pids of the standbys that wait."""
    return [s["pid"] for s in i.status()["standbys"] if s["state"] == "READY"]


def nice(i):
    return os.getpriority(os.PRIO_PROCESS, i.pids()[0])


def ask(sock):
    sock.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
    return sock.recv(65536).endswith(content(64))


def living(socks):
    n = 0
    for s in socks:
        with contextlib.suppress(OSError):
            n += ask(s)
    return n


def lost_nothing(i):
    """Free and held make up everything; said by exit status, too."""
    r = json.loads(i.cli("audit", "--json").stdout)
    claim(r["slots"], "all slots were counted: %s" % r)
    for s in r["slots"]:
        for what in ("buffers", "chunks", "records"):
            a = s[what]
            equal(a["free"] + a["held"], a["total"],
                  "%s of slot %d: %s" % (what, s["slot"], a))
    equal(r["lost"], 0, "lost")


@test
def a_standby_sits_down_in_a_dead_workers_slot():
    www()
    with instance() as i:
        sb = wait_for("a standby", lambda: ready(i))
        socks = [connect() for _ in range(40)]
        equal(living(socks), 40, "all live")
        victim = i.pids()[0]
        kill(victim)
        wait_for("slot 0 serves", lambda: i.replaced(0, victim), 10)
        equal(i.pids()[0], sb[0], "it is the standby")
        claim(living(socks) >= 39, "one connection may be torn")
        wait_for("it is not in a hurry any more", lambda: nice(i) == 0)
        wait_for("the next one", lambda: ready(i) and ready(i) != sb)
        claim("standby" in i.cli("status").stdout, "status shows it")


@test
def a_killed_standby_is_replaced():
    www()
    with instance() as i:
        sb = wait_for("a standby", lambda: ready(i))
        pids = i.pids()
        kill(sb[0])
        fresh = wait_for("another one", lambda: [p for p in ready(i)
                                                 if p not in sb])
        kill(fresh[0], signal.SIGSTOP)
        wait_for("a frozen one is replaced", lambda: [
            p for p in ready(i) if p not in sb + fresh])
        equal(i.pids(), pids, "nobody else was touched")


@test
def without_standby_a_fresh_process_takes_over():
    www()
    with instance(standby=0) as i:
        socks = [connect() for _ in range(20)]
        victim = i.pids()[0]
        kill(victim)
        wait_for("slot 0 serves", lambda: i.replaced(0, victim), 10)
        claim(living(socks) >= 19, "one connection may be torn")
        equal(i.status()["standbys"], [], "none is wanted")
        wait_for("it is not in a hurry any more", lambda: nice(i) == 0)


@test
def what_comes_while_nobody_serves_waits_for_the_successor():
    """The kernel keeps it: no client sends again what was dropped."""
    www()
    with instance(count=1, hang_ms=20000) as i:
        wait_for("a standby", lambda: ready(i))
        socks = [connect() for _ in range(1600)]
        dropped = "/sys/class/net/%s/statistics/tx_dropped" % i.dev
        before = read(dropped)
        victim = i.pids()[0]
        kill(victim, signal.SIGSTOP)
        for s in socks:
            s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        kill(victim)
        answered = 0
        for s in socks:
            with contextlib.suppress(OSError):
                answered += s.recv(65536).endswith(content(64))
        claim(answered >= 1599, "%d of 1600 were answered" % answered)
        equal(read(dropped), before, "frames that the tap dropped")


@test
def nothing_is_lost_over_kills_in_traffic():
    www((64, 1000, 100000))
    with instance() as i:
        lost_nothing(i)
        load = [subprocess.Popen(["wrk", "-t1", "-c24", "-d12s",
                                  url("/f%d.bin" % n)],
                                 stdout=subprocess.DEVNULL)
                for n in (1000, 100000)]
        for n in range(6):
            wait_for("a standby", lambda: ready(i))
            time.sleep(0.4)
            pid = i.pids()[n % 2]
            kill(pid, signal.SIGSEGV if n == 3 else signal.SIGKILL)
            wait_for("slot %d is back" % (n % 2), lambda:
                     i.replaced(n % 2, pid), 10)
            lost_nothing(i)
        for p in load:
            p.terminate()
            p.wait()
        lost_nothing(i)
        claim("lost 0" in i.cli("stats").stdout, "stats says so, too")


@test
def a_segmentation_fault_under_load_costs_what_was_in_hand():
    www((64, 300000))
    with instance() as i:
        idle = [connect() for _ in range(30)]
        equal(living(idle), 30, "before")
        stop, bad = threading.Event(), []

        def download():
            while not stop.is_set():
                try:
                    r = get("/f300000.bin")
                except (OSError, ValueError, AssertionError) as e:
                    bad.append(repr(e))
                    continue
                if r.body != content(300000):
                    bad.append("%d bytes" % len(r.body))
        load = [threading.Thread(target=download) for _ in range(4)]
        for t in load:
            t.start()
        kills = 5
        for n in range(kills):
            wait_for("a standby", lambda: ready(i))
            pid = i.pids()[n % 2]
            kill(pid, signal.SIGSEGV)
            wait_for("slot %d is back" % (n % 2), lambda:
                     i.replaced(n % 2, pid), 10)
            claim("SIGSEGV" in i.workers()[n % 2]["last_death"], "why")
            time.sleep(1.1)     # or it counts as a crash loop
        stop.set()
        for t in load:
            t.join(30)
        lost = 30 - living(idle) + len(bad)
        print("%d lost in %d deaths: %s" % (lost, kills, bad))
        claim(lost <= kills, "%d connections lost" % lost)
        lost_nothing(i)


@test
def a_frozen_worker_is_replaced_and_holds_nobody_up():
    www()
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        pids = i.pids()
        kill(pids[0], signal.SIGSTOP)
        wait_for("slot 0 is back", lambda: i.replaced(0, pids[0]), 10)
        equal(i.pids()[1], pids[1], "the other stayed")
        claim("hung" in i.workers()[0]["last_death"], "and why")
    with instance(standby=0, hang_ms=60000) as i:
        pids = i.pids()
        kill(pids[0], signal.SIGSTOP)
        kill(pids[1])
        wait_for("slot 1 attached beside a frozen one", lambda:
                 i.pids()[1] not in (0, pids[1]) and
                 i.workers()[1]["state"] == "SERVING", 10)
        kill(pids[0], signal.SIGCONT)
        wait_for("well", i.well)


@test
def an_idle_worker_is_never_taken_for_hung():
    www()
    with instance(hang_ms=200) as i:
        pids = i.pids()
        time.sleep(3)
        equal(i.pids(), pids, "the same")


def said_program(i, path):
    """Write over the paths of programs that stand on the board."""
    os.mkfifo(path, 0o600)
    with open("/run/starfish/%s/board" % i.name, "r+b") as f:
        board = f.read()
        old = os.path.realpath(BUILD + "/bin/starfish-worker").encode()
        claim(old in board, "the board names the program")
        at = board.find(old)
        while at >= 0:
            f.seek(at)
            f.write(path.encode() + b"\0")
            at = board.find(old, at + 1)


@test
def a_crash_is_explained_and_revived():
    www()
    with instance(count=1) as i:
        s = connect()
        claim(ask(s), "served")
        seen = set()

        def again():
            w = i.workers()[0]
            if w["state"] == "SERVING" and w["pid"] not in seen:
                seen.add(w["pid"])
                kill(w["pid"], signal.SIGSEGV)
            return w["state"] == "DEAD" and w["pid"] == 0 and len(seen) >= 5
        wait_for("it stays DEAD", again, 20)
        w = i.workers()[0]
        claim("SIGSEGV" in w["last_death"], w["last_death"])
        equal(w["crash"]["signal"], "SIGSEGV", "the signal")
        claim(any(".c:" in line for line in w["crash"]["backtrace"]),
              "symbols: %s" % w["crash"]["backtrace"])
        p = i.cli("status", ok=(1,))
        claim("backtrace" in p.stdout and "in hand" in p.stdout, p.stdout)
        # what a worker wrote is its word: another file stops nobody
        said_program(i, i.log + ".fifo")
        p = i.cli("status", ok=(1,))
        claim("program+0x" in p.stdout, p.stdout)
        os.unlink(i.log + ".fifo")
        i.cli("revive", "0")
        wait_for("well again", i.well, 10)
        equal(get("/f64.bin").body, content(64), "and serving")


@test
def a_worker_started_by_hand_is_watched_over():
    www()
    with instance(count=1) as i:
        log = open(i.log, "a")
        for _ in range(20):
            w = i.workers()[0]
            if w["state"] == "DEAD" and w["pid"] == 0 and w["restarts"] > 2:
                break
            if w["state"] == "SERVING":
                with contextlib.suppress(ProcessLookupError):
                    kill(w["pid"])
            time.sleep(0.25)
        equal(i.workers()[0]["state"], "DEAD", "crash loop")
        p = subprocess.Popen([BUILD + "/bin/starfish-worker", "-n", i.name,
                              "--service", "http", "--cpu", "1"],
                             stdout=log, stderr=log)
        wait_for("it serves", lambda: i.well() and i.pids()[0] == p.pid, 10)
        equal(get("/f64.bin").status, 200, "requests")
        # all slots are taken now: one more is told so
        q = subprocess.run([BUILD + "/bin/starfish-worker", "-n", i.name,
                            "--service", "http"], capture_output=True,
                           text=True, timeout=20)
        claim(q.returncode != 0 and "taken" in q.stderr, q.stderr)
        q = subprocess.run([BUILD + "/bin/starfish-worker", "-n", i.name,
                            "--service", "nonsense"], capture_output=True,
                           text=True, timeout=20)
        claim(q.returncode != 0 and "nonsense" in q.stderr, q.stderr)
        p.kill()
        p.wait()
        wait_for("the supervisor replaced it", lambda: i.well() and
                 i.pids()[0] not in (0, p.pid), 10)


def eal_files(i, pid):
    """What DPDK keeps of a process in the file system."""
    return [n for d, _, names in os.walk("/var/run/dpdk") for n in names
            if i.name in d and ("_%d_" % pid in n or n.endswith("_%d" % pid))]


@test
def what_a_lone_worker_left_goes_with_the_next_attach():
    """A confined worker cannot remove its files, and nobody else is there: the
    next attach of DPDK's does."""
    www()
    with instance(count=1, standby=0) as i:
        kill(i.status()["supervisor"]["pid"])
        pid = i.pids()[0]
        kill(pid, signal.SIGTERM)
        wait_for("its end", lambda: not os.path.exists("/proc/%d" % pid) or
                 read("/proc/%d/stat" % pid).split()[2] == "Z", 10)
        claim(eal_files(i, pid), "it left its files")
        with open(i.log, "a") as log:
            p = subprocess.Popen([BUILD + "/bin/starfish-worker", "-n",
                                  i.name, "--service", "http", "--cpu", "0"],
                                 stdout=log, stderr=log)
        wait_for("it serves", lambda: "epoch 2" in read(i.log), 10)
        equal(get("/f64.bin").status, 200, "requests")
        equal(eal_files(i, pid), [], "files of the dead one")
        claim(eal_files(i, p.pid), "files of the living stay")
        p.kill()
        p.wait()


@test
def a_worker_started_before_the_primary_joins():
    www()
    i = instance(count=1)
    log = open(i.log, "a")
    p = subprocess.Popen([BUILD + "/bin/starfish-worker", "-c", i.file,
                          "--service", "http"], stdout=log, stderr=log)
    time.sleep(0.5)
    with i:
        wait_for("the slot has one process", lambda: i.well())
        equal(i.pids()[0], p.pid, "the one that waited")
        equal(get("/f64.bin").status, 200, "requests")
        claim(read("/proc/%d/stat" % p.pid), "it lives")
        equal(len([n for n in os.listdir("/proc") if n.isdigit() and
                   os.path.exists("/proc/%s/exe" % n) and
                   os.readlink("/proc/%s/exe" % n).endswith("worker")]) > 0,
              True, "workers")
    equal(p.wait(10), 0, "it ended in order")


def dpdk_heap():
    """Bytes that are allocated from the memory all processes share."""
    path, = glob.glob("/run/**/dpdk_telemetry.v2", recursive=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(path)
        s.recv(4096)
        s.send(b"/eal/heap_info,0")
        return json.loads(s.recv(65536))["/eal/heap_info"]["Alloc_size"]


@test
def killed_processes_do_not_use_up_the_memory_of_all():
    """Nobody gives back what a killed process had from DPDK's heap."""
    www()
    with instance() as i:
        wait_for("a standby", lambda: ready(i), 20)
        before = dpdk_heap()
        for _ in range(8):
            pid = ready(i)[0]
            kill(pid)
            wait_for("another", lambda: ready(i) and ready(i)[0] != pid, 20)
        grown = (dpdk_heap() - before) / 8
        print("%d bytes for each process" % grown)
        claim(grown <= 1024, "%d bytes for each process" % grown)
