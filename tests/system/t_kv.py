"""The key-value service: what was acknowledged is there, whoever dies."""
import random
import threading
import time

from lib import (OURS, Instance, claim, connect, equal, kill, test, wait_for)


def entry(extra=""):
    return """{ name = "store"; service = "kv"; ports = [ "tap0" ];
    cpus = [ 1 ]; listen = [ "%s:11" ]; kv = { %s }; }""" % (OURS, extra)


class Client:
    """One connection; lines and values."""

    def __init__(self):
        self.s = connect(11, seconds=20)
        self.f = self.s.makefile("rb")

    def ask(self, request):
        """The answer's line, and the value if there is one."""
        self.s.sendall(request)
        line = self.f.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        if line.startswith(b"VALUE "):
            value = self.f.read(int(line[6:]) + 1)
            if not value.endswith(b"\n"):
                raise ConnectionResetError
            return value[:-1]
        return line.rstrip()

    def put(self, key, value):
        return self.ask(b"PUT %s %d\n" % (key, len(value)) + value)

    def get(self, key):
        return self.ask(b"GET %s\n" % key)

    def close(self):
        self.f.close()
        self.s.close()


def value(key, n):
    """Version n of a key: bytes of any kind, of many lengths."""
    r = random.Random(key + b"%d" % n)
    return r.randbytes(r.choice((0, 1, 10, 220, 230, 3000, 8000)))


class Writer(threading.Thread):
    """Stores versions of its keys; a version that was acknowledged, or the
    one that was on its way, must be there after a reset."""

    def __init__(self, name, end):
        super().__init__(daemon=True)
        self.keys = {b"%s-%d" % (name, k): -1 for k in range(5)}
        self.end, self.resets, self.acked, self.why = end, 0, 0, None

    def check(self, c, pending):
        for key, n in self.keys.items():
            got = c.get(key)
            want = [value(key, n) if n >= 0 else b"NONE"]
            if key == pending:
                want.append(value(key, n + 1))
                if got == want[1]:
                    self.keys[key] = n + 1
            claim(got in want, "%s: version %d of %d bytes is not there, "
                  "but %d bytes" % (key, n, len(want[0]), len(got)))

    def run(self):
        pending = c = None
        try:
            while not self.end.is_set():
                try:
                    if c is None:
                        c = Client()
                        self.check(c, pending)
                        pending = None
                    for key, n in list(self.keys.items()):
                        pending = key
                        equal(c.put(key, value(key, n + 1)), b"OK", "PUT")
                        self.keys[key] = n + 1
                        pending = None
                        self.acked += 1
                        equal(c.get(key), value(key, n + 1), "GET")
                except ConnectionError:
                    self.resets += 1
                    c = None
            if c is None:
                c = Client()
            self.check(c, pending)
        except Exception as e:  # told by the test
            self.why = repr(e)


def serves_again(i, pid):
    """Whether another process serves; one that died too often is told to."""
    w = i.workers()[0]
    if w["state"] == "DEAD":
        i.cli("restart", "0", ok=None)
    return w["pid"] not in (0, pid) and w["state"] == "SERVING"


@test
def what_kv_acknowledged_survives_its_worker():
    with Instance([entry()]) as i:
        end = threading.Event()
        writers = [Writer(b"w%d" % n, end) for n in range(8)]
        for w in writers:
            w.start()
        kills = 0
        for _ in range(10):
            time.sleep(random.uniform(0.05, 0.3))
            pid = i.pids()[0]
            kill(pid)
            kills += 1
            wait_for("another serves", lambda: serves_again(i, pid), 20)
        end.set()
        for w in writers:
            w.join(30)
            claim(not w.is_alive() and w.why is None, w.why)
        resets = sum(w.resets for w in writers)
        acked = sum(w.acked for w in writers)
        print("%d kills, %d resets, %d acknowledged" % (kills, resets, acked))
        claim(resets <= kills, "%d resets by %d kills" % (resets, kills))
        claim(acked > 1000, "acknowledged: %d" % acked)
        c = Client()
        equal(c.ask(b"COUNT\n"), b"COUNT 40", "objects")
        equal(i.counters()["gauge_objects"], 40, "gauge")
        c.close()


@test
def kv_answers_as_it_should():
    with Instance([entry()]):
        c = Client()
        for n in range(40):
            v = value(b"key", n)
            equal(c.put(b"key", v), b"OK", "PUT")
            equal(c.get(b"key"), v, "GET")
        equal(c.ask(b"SET key two words\r\n"), b"OK", "SET")
        equal(c.get(b"key"), b"two words", "GET")
        many = b"".join(b"SET k%d %d\nGET k%d\n" % (n, n, n)
                        for n in range(500))
        c.s.sendall(many)
        for n in range(500):
            equal(c.f.readline(), b"OK\n", "pipelined SET")
            equal(c.f.readline(), b"VALUE %d\n" % len(b"%d" % n), "GET")
            equal(c.f.readline(), b"%d\n" % n, "its value")
        equal(c.ask(b"DEL key\n"), b"OK", "DEL")
        equal(c.get(b"key"), b"NONE", "GET")


@test
def kv_runs_in_one_slot_and_says_when_it_is_full():
    i = Instance([entry().replace("cpus", "count = 2; cpus")])
    p = i.up(ok=None)
    claim(p.returncode != 0 and "runs in 1 slot" in p.stdout + p.stderr,
          p.stdout + p.stderr)
    with Instance([entry("value_max = 100;")], memory="objects = 16;"):
        c = Client()
        for n in range(16):
            equal(c.put(b"%d" % n, b"x"), b"OK", "PUT %d" % n)
        claim(c.put(b"more", b"x").startswith(b"ERROR full"), "full")
        equal(c.ask(b"DEL 3\n"), b"OK", "DEL")
        equal(c.put(b"more", b"y" * 100), b"OK", "room again")
        equal(c.get(b"more"), b"y" * 100, "GET")
        claim(c.put(b"long", b"z" * 101).startswith(b"ERROR long"), "long")
