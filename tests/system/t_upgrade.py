"""Another program, another generation."""
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from lib import (BUILD, OURS, TMP, Instance, claim, connect, equal, get, http,
                 kill, processes, read, sh, starfish, test, wait_deaths,
                 wait_for, write)
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
        wait_for("slot 0 is back", lambda: i.replaced(0, victim), 10)
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
def a_program_that_never_gets_ready_leaves_the_old_one():
    www()
    idle = script("idle-worker", '[ "$1" = --version ] && exec %s --version\n'
                  "exec sleep 60\n" % WORKER)
    with instance(extra="start_timeout_ms = 1500;") as i:
        wait_for("a standby", lambda: ready(i))
        socks = [connect() for _ in range(20)]
        equal(living(socks), 20, "before")
        pids = i.pids()
        p = i.cli("upgrade", "--worker", idle, ok=(1,))
        claim("before it was ready" in p.stderr, p.stderr)
        equal(i.pids(), pids, "the old ones serve on")
        claim(i.well(), "well")
        equal(living(socks), 20, "afterwards")


@test
def a_program_that_dies_before_it_serves_gives_the_slot_back():
    www()
    new = copy()
    with instance(extra="faults = true;") as i:
        wait_for("a standby", lambda: ready(i))
        socks = [connect() for _ in range(20)]
        equal(living(socks), 20, "before")
        pids = i.pids()
        i.cli("fault", "0", "crash=start")
        p = i.cli("upgrade", "--worker", new, ok=(1,))
        claim("died in slot 0 before it served" in p.stderr, p.stderr)
        wait_for("well", i.well)
        claim(not any(exe(pid) for pid in i.pids().values()), "the old one")
        equal(i.pids()[1], pids[1], "the other slot was not touched")
        equal(living(socks), 20, "nothing was in hand: all live")
        lost_nothing(i)


# Becomes the worker; somebody kills it a moment after it has begun to serve.
DIES_SOON = """[ "$1" = --version ] && exec %s --version
( while [ -e /proc/$$ ]; do
	case "$(tr '\\0' ' ' </proc/$$/cmdline)" in
	*"slot "*http*) sleep 0.1; kill -SEGV $$; exit;;
	esac
	sleep 0.02
done ) >/dev/null 2>&1 &
exec %s "$@"
"""


@test
def a_program_that_dies_soon_after_it_served_gives_the_slot_back():
    www()
    bad = script("bad-worker", DIES_SOON % (WORKER, WORKER))
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        socks = [connect() for _ in range(20)]
        equal(living(socks), 20, "before")
        pids = i.pids()
        p = i.cli("upgrade", "--worker", bad, ok=(1,))
        claim("died in slot 0 soon after it served" in p.stderr, p.stderr)
        wait_for("well", i.well)
        equal(i.pids()[1], pids[1], "the other slot was not touched")
        back = i.pids()
        time.sleep(1)
        equal(i.pids(), back, "and it lives")
        claim(living(socks) >= 19, "one may have been in hand")
        # another try is not the worse for it
        i.cli("upgrade", "--worker", copy())
        claim(all(exe(pid) for pid in i.pids().values()), "the new program")
        claim(living(socks) >= 19, "once more")


@test
def a_program_killed_while_it_takes_over_is_not_blamed():
    www()
    new = copy()
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        pids = i.pids()
        up = subprocess.Popen([BUILD + "/bin/starfish", "-n", i.name,
                               "upgrade", "--worker", new])
        wait_for("slot 0 is handed over", lambda: i.pids()[0] != pids[0] and
                 i.workers()[0]["state"] == "SERVING", every=0.005)
        kill(i.pids()[0])
        equal(up.wait(30), 0, "the upgrade goes on")
        claim(i.well() and all(exe(pid) for pid in i.pids().values()),
              "all run the new program")


# ---- another layout --------------------------------------------------------

NEW = 0x1122334455667788


def layout():
    p = sh(BUILD + "/bin/starfish-worker", "--version")
    return int(re.search("layout ([0-9a-f]+)", p.stdout).group(1), 16)


def relaid(name="relaid", but=()):
    """Programs that take their shared memory for another one's layout."""
    d = os.path.join(TMP, name)
    os.makedirs(d, exist_ok=True)
    old, new = layout().to_bytes(8, "little"), NEW.to_bytes(8, "little")
    for p in ("starfish", "starfish-primary", "starfish-worker"):
        with open("%s/bin/%s" % (BUILD, p), "rb") as f:
            code = f.read()
        claim(old in code, "%s has a layout" % p)
        with open("%s/%s" % (d, p), "wb") as f:
            f.write(code if p in but else code.replace(old, new))
        os.chmod("%s/%s" % (d, p), 0o755)
    return d


class Download(threading.Thread):
    """A large file, read so slowly that it takes some seconds."""

    def __init__(self, size):
        super().__init__()
        self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.s.settimeout(20)
        self.s.connect((OURS, 80))
        self.s.sendall(b"GET /f%d.bin HTTP/1.1\r\nHost: h\r\nConnection: "
                       b"close\r\n\r\n" % size)
        self.got, self.size = b"", size
        self.start()

    def run(self):
        try:
            while more := self.s.recv(65536):
                self.got += more
                left = self.size - len(self.got)
                time.sleep(0.05 if left > 0 else 0)
        except OSError as e:
            print("download: %s" % e)
        self.s.close()

    def body(self):
        self.join(30)
        return self.got.partition(b"\r\n\r\n")[2]


@test
def another_layout_starts_anew_when_downloads_have_ended():
    www((64, 2_000_000))
    d = relaid()
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        pids = i.pids()
        p = i.cli("upgrade", "--worker", d + "/starfish-worker", "--check",
                  ok=(1,))
        claim("starts anew" in p.stdout, p.stdout)
        equal(i.pids(), pids, "--check changes nothing")
        down = Download(2_000_000)
        begun = time.monotonic()
        p = i.cli("upgrade", "--worker", d + "/starfish-worker", "--timeout",
                  "15")
        took = time.monotonic() - begun
        print("%s\n%.1f s" % (p.stdout, took))
        claim(down.body() == content(2_000_000), "whole: %d bytes" %
              len(down.got))
        claim(took < 12, "over when they had ended: %.1f s" % took)
        p = sh(d + "/starfish", "-n", i.name, "status")
        claim("SERVING" in p.stdout, "well, as the new tool sees it: " +
              p.stdout)
        p = i.cli("status", ok=None)
        claim(p.returncode == 2 or "build" in p.stderr + p.stdout,
              "the old tool cannot read it: %s%s" % (p.stdout, p.stderr))
        equal(get("/f64.bin").body, content(64), "it serves")
        # and the same way back, without patience
        sh(d + "/starfish", "-n", i.name, "upgrade", "--worker", WORKER)
        claim(i.well(), "well")
        equal(get("/f64.bin").body, content(64), "it serves again")


@test
def another_layout_starts_with_the_roots_that_were_served():
    """The first one went away after a reload; then the second goes, too."""
    www()
    os.rename(TMP + "/www", TMP + "/v1")
    shutil.copytree(TMP + "/v1", TMP + "/v2")
    write(TMP + "/v2/two.txt", "two")
    os.symlink("v1", TMP + "/www")
    d = relaid()
    with instance() as i:
        os.remove(TMP + "/www")
        os.symlink("v2", TMP + "/www")
        i.cli("reload")
        shutil.rmtree(TMP + "/v1")
        i.cli("upgrade", "--worker", d + "/starfish-worker")
        equal(get("/two.txt").body, b"two", "it serves")
        shutil.rmtree(TMP + "/v2")
        p = sh(d + "/starfish", "-n", i.name, "upgrade", "--worker", WORKER,
               ok=(1,))
        claim("v2: No such file" in p.stdout + p.stderr and "nothing was "
              "changed" in p.stderr, p.stderr)
        equal(get("/two.txt").body, b"two", "it goes on")


@test
def programs_that_are_replaced_while_it_runs_replace_nobody():
    """A package is unpacked, its upgrade not yet said: who dies meanwhile is
    replaced by what fits the memory, the program of the start."""
    www()
    d = os.path.join(TMP, "installed")
    shutil.copytree(BUILD + "/bin", d)
    new = relaid()
    with instance() as i:
        i.down()
        sh(d + "/starfish", "up", "-c", i.file, "--detach")
        wait_for("a standby", lambda: ready(i))
        for p in ("starfish", "starfish-primary", "starfish-worker"):
            shutil.copy("%s/%s" % (new, p), d + "/new")
            os.rename(d + "/new", "%s/%s" % (d, p))
        for _ in range(3):
            pid = i.pids()[0]
            kill(pid)
            wait_for("another one, and a standby", lambda: i.well() and
                     i.pids()[0] not in (0, pid) and ready(i), 10)
            equal(get("/f64.bin").body, content(64), "it serves")
        equal(read("/proc/%d/comm" % i.pids()[0]).strip(), "starfish-worker",
              "its name")
        # and a new primary
        kill(i.status()["primary"]["pid"])
        wait_for("its death is seen", lambda: not i.well())
        i.cli("renew")
        wait_for("generation 2", lambda: i.well() and
                 i.status()["generation"] == 2, 20)
        equal(get("/f64.bin").body, content(64), "it serves")
        # now the new ones
        sh(d + "/starfish", "version")
        i.cli("upgrade", "--worker", d + "/starfish-worker")
        equal(get("/f64.bin").body, content(64), "anew")


@test
def programs_of_another_layout_that_do_not_fit_change_nothing():
    www()
    mixed = relaid("mixed", but=("starfish-primary",))
    alone = os.path.join(TMP, "alone")
    os.makedirs(alone, exist_ok=True)
    shutil.copy(relaid() + "/starfish-worker", alone)
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        pids = i.pids()
        for d, says in ((mixed, "starfish-primary: its shared memory"),
                        (alone, "alone/starfish: not of this kind")):
            p = i.cli("upgrade", "--worker", d + "/starfish-worker", ok=(1,))
            claim(says in p.stderr, p.stderr)
            equal(i.pids(), pids, "nothing was changed")
        claim(i.well(), "well")


@test
def programs_of_another_layout_that_do_not_start_bring_the_old_ones_back():
    www()
    d = relaid()
    os.rename(d + "/starfish-primary", d + "/real")
    # gives its version, and ends at once when it is to work
    script("relaid/starfish-primary", '[ "$1" = --version ] && exec %s/real '
           "--version\nexit 3\n" % d)
    with instance() as i:
        wait_for("a standby", lambda: ready(i))
        pids = i.pids()
        p = i.cli("upgrade", "--worker", d + "/starfish-worker", ok=(1,))
        claim("the old programs start it again" in p.stderr, p.stderr)
        claim(i.well(), "well")
        claim(all(i.pids()[n] not in (0, pids[n]) for n in pids), "anew")
        equal(get("/f64.bin").body, content(64), "it serves")


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
