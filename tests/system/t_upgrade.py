"""Another program, another generation."""
import os
import shutil
import threading
import time

from lib import (BUILD, TMP, Instance, claim, connect, equal, get, http, kill,
                 processes, starfish, test, wait_deaths, wait_for, write)
from t_files import content, www
from t_standby import ask, instance, living, lost_nothing, ready

WORKER = BUILD + "/bin/starfish-worker"


def copy():
    path = os.path.join(TMP, "bin", "starfish-worker")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copy(WORKER, path)
    return path


def script(name, text):
    path = os.path.join(TMP, name)
    write(path, "#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def exe(pid):
    # the worker has given up its rights: only its words on the board tell
    with open("/proc/%d/maps" % pid) as f:
        return any(TMP in line for line in f)


@test
def an_upgrade_keeps_every_connection():
    www()
    new = copy()
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        socks = [connect() for _ in range(60)]
        equal(living(socks), 60, "before")
        pids = i.pids()
        stop, asked, failed = threading.Event(), [], []

        def load():
            s = connect()
            while not stop.is_set():
                t = time.monotonic()
                if not ask(s):
                    failed.append("wrong answer")
                    return
                asked.append(time.monotonic() - t)
        t = threading.Thread(target=load)
        t.start()
        p = i.cli("upgrade", "--worker", new, "--check")
        claim("no connection is lost" in p.stdout, p.stdout)
        equal(i.pids(), pids, "--check changes nothing")
        p = i.cli("upgrade", "--worker", new)
        print(p.stdout)
        stop.set()
        t.join(10)
        equal(failed, [], "an active connection")
        print("longest wait %.1f ms of %d" % (max(asked) * 1e3, len(asked)))
        claim(i.well(), "well")
        claim(all(i.pids()[s] not in (0, pids[s]) for s in pids),
              "others now: %s, %s" % (pids, i.pids()))
        claim(all(exe(pid) for pid in i.pids().values()), "the new program")
        equal(living(socks), 60, "afterwards")
        lost_nothing(i)
        # what dies later is replaced by the new program
        wait_for("a standby", lambda: ready(i))
        victim = i.pids()[0]
        kill(victim)
        wait_for("slot 0 is back", lambda: i.well() and
                 i.pids()[0] != victim, 10)
        claim(exe(i.pids()[0]), "the new program again")


@test
def a_program_that_does_not_get_ready_leaves_the_old_one():
    www()
    bad = script("bad-worker", '[ "$1" = --version ] && exec %s --version\n'
                 "exit 3\n" % WORKER)
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        pids = i.pids()
        p = i.cli("upgrade", "--worker", "/bin/true", ok=(1,))
        claim("no starfish-worker" in p.stderr, p.stderr)
        p = i.cli("upgrade", "--worker", bad, ok=(1,))
        claim("before it was ready" in p.stderr + p.stdout,
              p.stdout + p.stderr)
        equal(i.pids(), pids, "the old ones serve on")
        claim(i.well(), "well")
        other = script("other", 'echo "starfish-worker 9.9"\n'
                       'echo "layout 0000000000000001"\n')
        p = i.cli("upgrade", "--worker", other, "--check", ok=(1,))
        claim("starts anew" in p.stdout, p.stdout)
        equal(i.pids(), pids, "--check changes nothing")


@test
def a_new_generation_follows_a_dead_primary():
    www()
    with Instance([http(count=2)]) as i:
        p = i.cli("renew", ok=(1,))
        claim("lives" in p.stderr, p.stderr)
        s = connect()
        prim = [pid for pid, n in processes().items()
                if n.startswith("starfish-prim")][0]
        kill(prim)
        wait_for("status says so", lambda: i.cli("status", ok=None).returncode
                 == 1)
        claim(ask(s), "workers go on")
        i.cli("renew")
        wait_for("generation 2 is well", lambda: i.well() and
                 i.status()["generation"] == 2, 30)
        equal(get("/f64.bin").body, content(64), "and serves")
        # without a word: when the last worker is gone
        prim = [pid for pid, n in processes().items()
                if n.startswith("starfish-prim")][0]
        kill(prim)
        for pid in i.pids().values():
            kill(pid)
        wait_for("generation 3 is well", lambda: i.status(
            ok=None)["generation"] == 3 and i.well(), 30)
        equal(get("/f64.bin").body, content(64), "and serves")


@test
def a_supervisor_adopts_a_dead_primarys_workers_and_renews():
    www()
    with Instance([http(count=1)]) as i:
        for name in ("starfish-primar", "starfish"):
            pid = [p for p, n in processes().items() if n == name][0]
            kill(pid)
            wait_deaths([pid], 5)
        claim(get("/f64.bin").status == 200, "the worker goes on")
        starfish("up", "--adopt", "-n", i.name, "--detach")
        equal(i.status(ok=None)["generation"], 1, "still the old one")
        i.cli("renew")
        wait_for("generation 2 is well", lambda: i.status(
            ok=None)["generation"] == 2 and i.well(), 30)
        equal(get("/f64.bin").body, content(64), "and serves")
