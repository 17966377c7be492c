"""The supervisor dies, another one takes over; what systemd hears."""
import os
import signal
import socket
import subprocess
import time

from lib import (BUILD, TMP, Instance, claim, connect, equal, get, kill,
                 processes, read, snapshot, starfish, test, url, wait_deaths,
                 wait_for)
from t_files import content, www
from t_life import left_behind, named


def supervisor():
    """Its pid; there is one, but for a child that becomes another program."""
    def alone():
        pids = [p for p, n in processes().items() if n == "starfish"]
        return pids[0] if len(pids) == 1 else 0
    return wait_for("one supervisor", alone, 5)


def kill_supervisor():
    pid = supervisor()
    kill(pid)
    wait_deaths([pid], 5)
    return pid


def adopt(i, *more, ok=(0,)):
    return starfish("up", "--adopt", "-n", i.name, "--detach", *more, ok=ok)


@test
def adoption_under_load_loses_nothing():
    www((1000,))
    i = Instance()
    before = snapshot()
    i.up()
    pids = i.pids()
    idle = connect()
    wrk = subprocess.Popen(["wrk", "-t1", "-c32", "-d6s",
                            url("/f1000.bin")], stdout=subprocess.PIPE,
                           text=True)
    time.sleep(0.5)
    old = kill_supervisor()
    p = starfish("up", "-c", i.file, "--detach", ok=None)
    claim(p.returncode != 0 and "starfish up --adopt" in p.stderr,
          "up says how to adopt: " + p.stderr)
    print(adopt(i).stdout)
    claim(supervisor() != old, "another supervisor")
    equal(i.pids(), pids, "the same workers")
    claim(i.well(), "well")
    time.sleep(1)
    equal(i.pids(), pids, "and still: no heartbeat was misjudged")
    kill(pids[0])
    wait_for("slot 0 is back", lambda: i.replaced(0, pids[0]), 10)
    equal(i.pids()[1], pids[1], "the other stayed")
    claim("exit status unknown" in i.cli("workers").stdout,
          "nobody can know how: " + i.cli("workers").stdout)
    out = wrk.communicate()[0]
    print(out)
    bad = [t for t in out.splitlines() if "Socket errors" in t]
    claim(not bad or "read 0" in bad[0] or "read 1," in bad[0],
          "one connection may be torn: %s" % bad)
    claim("Non-2xx" not in out, out)
    idle.sendall(b"GET /f1000.bin HTTP/1.1\r\nHost: h\r\n\r\n")
    claim(idle.recv(65536).startswith(b"HTTP/1.1 200"), "idle one lives")
    i.down()
    wait_for("all are gone", lambda: not named("starfish"), 5)
    claim(not left_behind(before), left_behind(before))


@test
def standbys_are_adopted_and_used():
    www((64,))
    i = Instance(extra="standby = 1;")
    with i:
        def waiting():
            return [s["pid"] for s in i.status()["standbys"]
                    if s["state"] == "READY"]
        wait_for("a standby", waiting)
        old = waiting()
        kill_supervisor()
        adopt(i)
        equal(waiting(), old, "the same one waits")
        time.sleep(1)
        equal(waiting(), old, "and no other was started in its place")
        victim = i.pids()[0]
        kill(victim)
        wait_for("slot 0 is back", lambda: i.replaced(0, victim))
        equal(i.pids()[0], old[0], "it sat down")
        wait_for("another one", waiting)
        # one that attaches while nobody watches
        victim = i.pids()[0]
        kill(victim)
        wait_for("slot 0 is back", lambda: i.pids()[0] != victim and i.well())
        kill_supervisor()
        adopt(i)
        wait_for("a standby once more", waiting)
        equal(len(i.status()["standbys"]), 1, "one")


@test
def adoption_by_file_and_in_the_foreground():
    www()
    i = Instance()
    before = snapshot()
    i.up()
    kill_supervisor()
    with open(i.log, "w") as log:
        p = subprocess.Popen([BUILD + "/bin/starfish", "up", "--adopt", "-c",
                              i.file], stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log)
    wait_for("it is adopted", lambda: "watched over again" in read(i.log), 10)
    claim(i.well(), "well")
    equal(get("/f64.bin").body, content(64), "it serves")
    p.send_signal(signal.SIGTERM)
    equal(p.wait(10), 0, "exit status")
    claim(not left_behind(before), left_behind(before))


@test
def a_worker_that_died_unseen_is_replaced():
    www()
    i = Instance()
    i.up()
    pids = i.pids()
    kill_supervisor()
    kill(pids[1])
    wait_deaths([pids[1]], 5)
    p = adopt(i)
    claim("pid %d died" % pids[1] in p.stdout, p.stdout)
    claim(i.well(), "--detach returns when all serve")
    now = i.pids()
    equal(now[0], pids[0], "the other stayed")
    claim(now[1] not in (0, pids[1]), "a new one: %s" % now)
    for _ in range(20):
        equal(get("/f64.bin").status, 200, "all buckets are served")
    i.down()


@test
def adopted_and_killed_again_and_again():
    www()
    i = Instance()
    before = snapshot()
    i.up()
    s = connect()
    for n in range(5):
        kill_supervisor()
        victim = i.pids()[n % 2]
        if n > 1:
            kill(victim)
            wait_deaths([victim], 5)
        adopt(i)
        claim(i.well(), "well after adoption %d" % (n + 1))
    s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
    claim(s.recv(65536).endswith(content(64)), "a connection of the start")
    i.down()
    claim(not left_behind(before), left_behind(before))


@test
def adoption_is_refused_with_a_reason():
    www()
    i = Instance()
    p = adopt(i, ok=(1,))
    claim("nothing to adopt" in p.stderr, "no instance: " + p.stderr)
    i.up()
    sup = supervisor()
    p = adopt(i, ok=(1,))
    claim("supervisor lives" in p.stderr and str(sup) in p.stderr,
          "it lives: " + p.stderr)
    equal(get("/f64.bin").status, 200, "untouched")
    for pid in list(processes()):
        kill(pid)
    wait_for("all are dead", lambda: not processes(), 5)
    p = adopt(i, ok=(1,))
    claim("no process of it lives" in p.stderr, "all dead: " + p.stderr)
    claim(os.path.exists("/run/starfish/%s/board" % i.name),
          "a refusal removes nothing")
    for args in (("up", "--adopt", "-n", i.name, "-c", i.file),
                 ("up", "-n", i.name, "-c", i.file)):
        claim("-n NAME" in starfish(*args, ok=(1,)).stderr, str(args))
    i.down()


@test
def without_its_primary_workers_serve_on_and_none_is_started():
    www()
    i = Instance()
    before = snapshot()
    i.up()
    pids = i.pids()
    kill_supervisor()
    kill(named("starfish-prim")[0])
    p = adopt(i)
    claim("primary is dead" in p.stdout and "renew" in p.stdout, p.stdout)
    equal(i.pids(), pids, "the workers stay")
    equal(i.status(ok=(1,))["state"], "degraded", "state")
    equal(get("/f64.bin").status, 200, "and serve")
    kill(pids[0])
    wait_for("the death shows", lambda: i.workers()[0]["state"] == "DEAD", 5)
    claim(not named("starfish-prim"), "no primary was started")
    equal(i.pids()[1], pids[1], "the other stays")
    i.down()
    wait_for("all are gone", lambda: not named("starfish"), 5)
    claim(not left_behind(before), left_behind(before))


class Manager:
    """The end of systemd: a socket that is told how a service fares."""

    def __init__(self):
        self.path = os.path.join(TMP, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.sock.settimeout(0.02)
        self.lines = []

    def hear(self):
        try:
            while True:
                self.lines += self.sock.recv(4096).decode().splitlines()
        except socket.timeout:
            pass
        return self.lines

    def start(self, i, *args):
        self.lines = []
        env = dict(os.environ, NOTIFY_SOCKET=self.path,
                   WATCHDOG_USEC="400000")
        log = open(i.log, "a")
        return subprocess.Popen([BUILD + "/bin/starfish", "up", *args, "-c",
                                 i.file], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, env=env)


@test
def the_service_manager_hears_ready_life_and_stopping():
    www()
    i, m = Instance(), Manager()
    before = snapshot()
    for round_ in ("started", "adopted"):
        p = m.start(i, "--adopt-or-start")
        wait_for("READY=1", lambda: "READY=1" in m.hear(), 20)
        claim(i.well(), "all serve when it is said")
        claim("MAINPID=%d" % p.pid in m.lines, str(m.lines))
        wait_for("signs of life", lambda: m.hear().count("WATCHDOG=1") > 3, 5)
        claim("STATUS=2 of 2 slots serve" in m.lines, str(m.lines))
        claim("STOPPING=1" not in m.lines, str(m.lines))
        for pid in i.pids().values():
            env = read("/proc/%d/environ" % pid)
            claim("NOTIFY_SOCKET" not in env, "workers do not inherit it")
        if round_ == "started":
            pids = i.pids()
            p.kill()
            p.wait()
    equal(i.pids(), pids, "the second one adopted")
    p.send_signal(signal.SIGTERM)
    equal(p.wait(10), 0, "exit status")
    claim("STOPPING=1" in m.hear(), str(m.lines))
    os.unlink(m.path)
    claim(not left_behind(before), left_behind(before))


@test
def tables_have_room_for_every_death():
    www()
    with Instance() as i:
        pid = i.pids()[0]
        kill(pid, signal.SIGSEGV)
        wait_for("slot 0 is back", lambda: i.replaced(0, pid), 10)
        death = i.workers()[0]["last_death"]
        claim("SIGSEGV" in death, death)
        for verb in ("status", "workers"):
            p = i.cli(verb)
            claim(any(t.rstrip().endswith(death)
                      for t in p.stdout.splitlines()),
                  "%s shows all of it: %s" % (verb, p.stdout))
            claim(all(len(t) <= 100 for t in p.stdout.splitlines()),
                  "within 100 columns")
