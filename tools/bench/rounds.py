"""Rounds: contenders in turn, other processes' load seen, noise thrown away."""
import ctypes
import os
import shutil
import subprocess
import tempfile
import time

FOREIGN_MAX = 0.08      # of one core; more spoils a round
TRIES = 3               # times the wanted rounds, at most
BUDGET = 100            # seconds for one name; later no round is repeated
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
TICK = os.sysconf("SC_CLK_TCK")
CC = "/proc/sys/net/ipv4/tcp_congestion_control"


def own_namespaces():
    """Network and mounts of our own; cubic in both, as Starfish has it.

    A new network namespace takes the congestion control of the first one at
    its birth and may not choose freely later, so that one is set for a moment.
    """
    with open(CC, "r+") as first:
        was = first.read().strip()
        if was != "cubic":
            put(CC, "cubic")
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
        finally:
            # this file is the first namespace's, wherever we are now
            if was != "cubic":
                first.seek(0)
                first.write(was)
                first.flush()
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    # instances of ours are nobody else's, and gone with us
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    with open("/proc/self/mounts") as f:
        huge = [m.split()[1] for m in f if m.split()[2] == "hugetlbfs"]
    for m in reversed(huge):
        subprocess.run(["umount", "-l", m], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with open(CC) as f:
        if f.read().strip() != "cubic":
            put(CC, "cubic")
    put("/proc/sys/net/ipv4/tcp_tw_reuse", "1")
    put("/proc/sys/net/ipv4/ip_local_port_range", "1024 65000")
    put("/proc/sys/net/ipv4/tcp_max_syn_backlog", "8192")
    put("/proc/sys/net/core/somaxconn", "8192")


def put(path, text):
    with open(path, "w") as f:
        f.write(text)


def proc_times():
    """pid -> (parent, seconds of its own, seconds of its dead children)."""
    out = {}
    for d in os.listdir("/proc"):
        if not d.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % d) as f:
                s = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        t = [int(x) / TICK for x in s[11:15]]
        out[int(d)] = (int(s[1]), t[0] + t[1], t[2] + t[3])
    return out


def machine_times():
    """(busy, steal) seconds of all cores since boot, without interrupts."""
    with open("/proc/stat") as f:
        s = [int(x) / TICK for x in f.readline().split()[1:]]
    return s[0] + s[1] + s[2], s[7]


class Watch:
    """What others took of the cores while this was open."""

    def __enter__(self):
        self.t = time.monotonic()
        self.procs, self.machine = proc_times(), machine_times()
        return self

    def __exit__(self, *exc):
        wall = time.monotonic() - self.t
        procs, machine = proc_times(), machine_times()
        ours = descendants(procs, os.getpid())
        used_ours = used_others = 0.0
        for pid, (parent, own, dead) in procs.items():
            _, own0, dead0 = self.procs.get(pid, (0, 0.0, 0.0))
            used = own - own0 + (dead - dead0 if pid in self.procs else dead)
            if pid in ours:
                used_ours += used
            elif parent != 2 and pid != 2:      # not a kernel thread's
                used_others += used
        busy = machine[0] - self.machine[0]
        steal = machine[1] - self.machine[1]
        # Two ways to see it: what is busy and not ours, and what the others'
        # clocks say. Each misses something; the larger counts.
        unseen = max(0.0, busy - used_ours)
        self.foreign = (max(unseen, used_others) + steal) / wall


def descendants(procs, root):
    """root and all that it started."""
    got = {root}
    more = True
    while more:
        more = False
        for pid, (parent, _, _) in procs.items():
            if parent in got and pid not in got:
                got.add(pid)
                more = True
    return got


def spread(values):
    """{"median", "min", "max"} of some figures."""
    v = sorted(values)
    mid = (v[(len(v) - 1) // 2] + v[len(v) // 2]) / 2
    return {"median": mid, "min": v[0], "max": v[-1]}


class Bench:
    """Where things are, and how rounds are made."""

    def __init__(self, build, rounds, seconds):
        self.build, self.rounds, self.seconds = build, rounds, seconds
        self.dir = tempfile.mkdtemp(prefix="starfish-bench-")
        os.chmod(self.dir, 0o755)
        self.www = self.dir + "/www"
        os.mkdir(self.www)
        for name, n in (("64", 64), ("1k", 1024), ("64k", 1 << 16),
                        ("1m", 1 << 20)):
            with open("%s/%s.bin" % (self.www, name), "wb") as f:
                f.write(b"x" * n)
            os.utime(f.name, (1767225600, 1767225600))

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def program(self, name):
        return os.path.join(self.build, name)

    def turns(self, contenders):
        """
        Run contenders (name -> function giving a dict of figures) in turn.

        Returns (name -> list of dicts, note): of the quiet rounds; when the
        limit comes first, of the quietest ones, and the note says so.
        """
        quiet, noisy, started = [], [], time.monotonic()
        while len(quiet) < self.rounds:
            late = time.monotonic() - started > BUDGET
            tried = len(quiet) + len(noisy)
            if tried >= TRIES * self.rounds or (late and
                                                tried >= self.rounds):
                break
            got, worst = {}, 0.0
            for name, fn in contenders.items():
                with Watch() as w:
                    got[name] = fn()
                worst = max(worst, w.foreign)
            (quiet if worst <= FOREIGN_MAX else noisy).append((worst, got))
        note = {"rounds": len(quiet), "thrown_away": len(noisy)}
        if len(quiet) < self.rounds:
            noisy.sort(key=lambda r: r[0])
            used = noisy[:self.rounds - len(quiet)]
            note["noisy_rounds_used"] = len(used)
            note["thrown_away"] -= len(used)
            quiet += used
        note["foreign_load_max"] = round(max(r[0] for r in quiet), 3)
        return {name: [r[1][name] for r in quiet] for name in contenders}, note
