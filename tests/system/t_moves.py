"""Workers come and go under load; connections go on, byte for byte."""
import json
import os
import resource
import selectors
import socket
import threading
import time

from lib import (Instance, OURS, Reply, Skip, TMP, claim, conf, connect,
                 echo, equal, http, kill, read, sh, test, wait_for)
from t_files import content, www
from t_ws import Client, payload, ws

CONNS = 120
SIZE = 20000
BIG = 30_000_000
SILENCE = 2.0       # s: a generous limit, for machines that do other things


class Traffic:
    """Keep-alive clients that ask one thing after the other, downloads and
    uploads, all verified; the longest silence of any is remembered."""

    def __init__(self, conns=CONNS, bulk=2):
        self.errors, self.requests, self.silence = [], 0, 0.0
        self.stop = False
        self.want = content(SIZE)
        self.socks = [connect() for _ in range(conns)]
        self.threads = [threading.Thread(target=self.ask_all)]
        self.threads += [threading.Thread(target=self.download)
                         for _ in range(bulk)]
        self.threads += [threading.Thread(target=self.upload)
                         for _ in range(bulk)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.stop = True
        for t in self.threads:
            t.join()
        for s in self.socks:
            s.close()
        if exc[0] is None:
            equal(self.errors, [], "clients")
            print("%d requests, longest silence %.1f ms" % (
                self.requests, self.silence * 1000))
            claim(self.silence < SILENCE, "silence of %g s" % self.silence)
        return False

    def heard(self, since):
        now = time.monotonic()
        self.silence = max(self.silence, now - since)
        return now

    def ask_all(self):
        sel = selectors.DefaultSelector()
        state = {}
        get = b"GET /f%d.bin HTTP/1.1\r\nHost: h\r\n\r\n" % SIZE
        for s in self.socks:
            sel.register(s, selectors.EVENT_READ)
            state[s] = [b"", time.monotonic()]
            s.sendall(get)
        while not self.stop and not self.errors:
            for key, _ in sel.select(0.1):
                s = key.fileobj
                st = state[s]
                try:
                    part = s.recv(65536)
                except OSError as e:
                    part = b""
                    self.errors.append("keep-alive: %s" % e)
                if not part:
                    self.errors.append("keep-alive: ended")
                    return
                st[0] += part
                st[1] = self.heard(st[1])
                head = st[0].find(b"\r\n\r\n")
                if head < 0 or len(st[0]) < head + 4 + SIZE:
                    continue
                if st[0][head + 4:] != self.want:
                    self.errors.append("keep-alive: wrong bytes")
                st[0] = b""
                self.requests += 1
                s.sendall(get)
            for s, st in state.items():
                if time.monotonic() - st[1] > 10:
                    self.errors.append("keep-alive: 10 s without an answer")
                    break

    def download(self):
        want = content(BIG)
        while not self.stop and not self.errors:
            try:
                with connect(seconds=10) as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100000)
                    s.sendall(b"GET /f%d.bin HTTP/1.1\r\nHost: h\r\n"
                              b"Connection: close\r\n\r\n" % BIG)
                    got, last = bytearray(), time.monotonic()
                    while not self.stop:
                        part = s.recv(50000)
                        if not part:
                            break
                        last = self.heard(last)
                        got += part
                        time.sleep(0.001)
            except OSError as e:
                self.errors.append("download: %s" % e)
                return
            body = bytes(got[got.find(b"\r\n\r\n") + 4:])
            if body != want[:len(body)] or (not self.stop and
                                            len(body) != BIG):
                self.errors.append("download: %d bytes, wrong" % len(body))

    def upload(self):
        data = content(300000)
        while not self.stop and not self.errors:
            try:
                with connect(7, seconds=10) as s:
                    for k in range(0, len(data), 5000):
                        s.sendall(data[k:k + 5000])
                    s.shutdown(socket.SHUT_WR)
                    got, last = b"", time.monotonic()
                    while True:
                        part = s.recv(65536)
                        if not part:
                            break
                        last = self.heard(last)
                        got += part
            except OSError as e:
                self.errors.append("echo: %s" % e)
                return
            if got != data:
                self.errors.append("echo: %d bytes, wrong" % len(got))


def buckets(i, group):
    """slot -> buckets that it owns; none may be under way."""
    for g in json.loads(i.cli("buckets", "--json").stdout):
        if g["group"] == group:
            equal([s["moving"] for s in g["slots"]],
                  [0] * len(g["slots"]), "moving")
            return {s["slot"]: s["owned"] for s in g["slots"]}
    return None


def conns(i):
    return {w["slot"]: w["connections"] for w in i.workers()}


def entries(web=1, spare=1):
    www((SIZE, BIG))
    return [http(count=web, entry="spare = %d;" % spare),
            echo(count=1).replace("count = 1;", "count = 1; spare = 1;")]


@test
def an_added_worker_takes_its_share_and_a_drained_one_gives_all():
    with Instance(entries()) as i:
        equal(buckets(i, "web"), {0: 512, 1: 0}, "before")
        with Traffic() as t:
            wait_for("requests", lambda: t.requests > 200)
            print(i.cli("add", "web").stdout)
            equal(buckets(i, "web"), {0: 256, 1: 256}, "after add")
            c = conns(i)
            print("connections:", c)
            claim(c[1] >= CONNS // 4, "the new one has %d" % c[1])
            n = t.requests
            wait_for("requests", lambda: t.requests > n + 500)
            pid = i.pids()[0]
            print(i.cli("drain", "0").stdout)
            equal(buckets(i, "web"), {0: 0, 1: 512}, "after drain")
            claim(pid not in i.pids().values(), "its worker is gone")
            n = t.requests
            wait_for("requests", lambda: t.requests > n + 500)
            # queue 0 has no reader now
            sh("ip", "neigh", "flush", "all")
            sh("ping", "-c", "2", "-i", "0.2", OURS)
            print(i.cli("add", "echo", "--cpu", "0").stdout)
            equal(buckets(i, "echo"), {2: 256, 3: 256}, "echo")
            print(i.cli("add", "web").stdout)
            equal(buckets(i, "web"), {0: 256, 1: 256}, "added again")
            n = t.requests
            wait_for("requests", lambda: t.requests > n + 500)
        claim(i.well(), i.cli("status", ok=None).stdout)
        c = i.counters()
        print({k: v for k, v in c.items() if "move" in k or "held" in k})
        equal(c["conn_torn"], 0, "torn")


@test
def a_slot_that_stays_dead_gives_its_connections_to_its_neighbour():
    www((SIZE,))
    with Instance([http(count=2)]) as i:
        socks = [connect() for _ in range(60)]
        for s in socks:
            s.sendall(b"GET /f%d.bin HTTP/1.1\r\nHost: h\r\n\r\n" % SIZE)
            equal(Reply(s).body, content(SIZE), "before")
        seen = set()

        def dies():
            w = i.workers()[0]
            if w["state"] == "SERVING" and w["pid"] not in seen:
                seen.add(w["pid"])
                kill(w["pid"])
            return w["state"] == "DEAD" and buckets_now(i)[0] == 0
        wait_for("slot 0 stays dead and is empty", dies, 30, 0.1)
        torn = 0
        for s in socks:
            try:
                s.sendall(b"GET /f%d.bin HTTP/1.1\r\nHost: h\r\n\r\n" % SIZE)
                equal(Reply(s).body, content(SIZE), "after")
            except (OSError, AssertionError) as e:
                print("lost:", e)
                torn += 1
        claim(torn <= len(seen), "%d connections lost by %d kills" % (
            torn, len(seen)))
        equal(i.workers()[1]["connections"] >= 60 - torn, True, "all there")
        # it keeps nobody from new files: who is there holds none of the old
        for n in (2, 3, 4):
            claim("generation %d" % n in i.cli("reload").stdout, "reload")
        i.cli("restart", "0")
        wait_for("a share again", lambda: buckets_now(i) == {0: 256, 1: 256},
                 20)
        for s in socks[torn:]:
            s.close()
        wait_for("well again", i.well, 10)


@test
def frames_keep_their_order_when_the_steering_follows():
    """What comes to the new owner directly waits for what came before."""
    entry = echo(count=1, mode="discard").replace(
        "count = 1; cpus = [ 1 ];", "count = 1; spare = 1; cpus = [ 0, 1 ];")
    with Instance([entry]) as i:
        stop = threading.Event()

        def upload():
            with connect(7, seconds=10) as s:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not stop.wait(0.0005):
                    s.sendall(bytes(3000))
        threads = [threading.Thread(target=upload) for _ in range(20)]
        for t in threads:
            t.start()
        wait_for("uploads", lambda: i.counters()["tcp_bytes_in"] > 10**6)
        rounds = [came_and_went(i) for _ in range(6)]
        stop.set()
        for t in threads:
            t.join()
        print(rounds)
        claim(sum(r["frames_held"] for r in rounds) > 0, "nothing was held")
        # a worker that has no processor is waited for for 5 ms only, and a
        # kernel that hears nothing sends again
        calm = [r["tcp_ofo"] for r in rounds if r["mark_late"] == 0 and
                r["move_withdrawn"] == 0 and r["tcp_dup"] == 0]
        if not calm:
            raise Skip("a busy machine: no move without retransmissions")
        equal(max(calm), 0, "frames out of order")


def came_and_went(i):
    """Add and drain once; what counters grew by."""
    names = ("tcp_ofo", "tcp_dup", "mark_late", "move_withdrawn",
             "frames_held")
    before = i.counters()
    i.cli("add", "echo")
    time.sleep(0.1)
    i.cli("drain", str(min(w["slot"] for w in i.workers()
                           if w["restarts"] == 0 and w["connections"])))
    time.sleep(0.1)
    after = i.counters()
    return {k: after[k] - before[k] for k in names}


def buckets_now(i):
    g = json.loads(i.cli("buckets", "--json").stdout)[0]
    return {s["slot"]: s["owned"] for s in g["slots"]}


WIRE = """name = "%(name)s";
memory = { buffers = 8192; connections = 4096; cache_mb = 64; };
ports = (
  { name = "w0"; type = "wire"; peer = "w1"; address = [ "10.79.0.2/24" ]; },
  { name = "w1"; type = "wire"; peer = "w0"; address = [ "10.79.0.3/24" ]; }
);
workers = (
  { name = "web"; service = "http"; ports = [ "w0" ]; count = 1; spare = 1;
    cpus = [ 1 ]; listen = [ "10.79.0.2:80" ];
    http = { root = "%(root)s/www"; }; },
  { name = "load"; service = "wget"; ports = [ "w1" ]; count = 1;
    cpus = [ 0 ]; after = [ "web" ];
    wget = { url = "http://10.79.0.2/f20000.bin"; concurrency = 200;
      flows = 0; keep_alive = 0; duration_s = 8; expect_bytes = 20000;
      verify = "%(root)s/www/f20000.bin"; }; }
);
"""


@test
def workers_come_and_go_over_a_wire_under_wget():
    www((SIZE,))
    i = Instance(name="mvwire", text=WIRE % {"name": "mvwire", "root": TMP})
    with i:
        wait_for("load", lambda: conns(i)[0] >= 200, 10)
        print(i.cli("add", "web").stdout)
        equal(buckets(i, "web"), {0: 256, 1: 256}, "after add")
        print(i.cli("drain", "0").stdout)
        print(i.cli("add", "web").stdout)
        equal(buckets(i, "web"), {0: 256, 1: 256}, "added again")
        moved = i.counters()["conn_arrived"]
        claim(moved > 200, "%d connections moved" % moved)
        p = i.cli("add", "load", ok=(1,))
        claim("stay" in p.stderr, "wget's stay: " + p.stderr)
        report = "/run/starfish/%s/out/report-2" % i.name
        wait_for("the report of wget", lambda: os.path.exists(report) and
                 "seconds" in read(report), 40)
        r = json.loads(read(report))
        print({k: r[k] for k in ("responses", "failed", "mismatched",
                                 "errors", "whole_us")})
        equal((r["failed"], r["mismatched"]), (0, 0), "failed, mismatched")
        equal(sum(r["errors"].values()), 0, "errors")


def said(i, *args):
    """What a command that is refused says."""
    p = i.cli(*args, ok=(1,))
    return p.stderr.strip()


@test
def add_takes_a_cpu_and_a_count_or_says_what_it_allows():
    entry = echo().replace("count = 1;", "count = 1; spare = 2;")
    with Instance([entry]) as i:
        last = os.cpu_count() - 1
        for args, want in (
                (("nosuch",), "no worker entry or service is called "
                 "\"nosuch\": echo (echo)"),
                (("echo", "--cpu", "900"),
                 "CPU 900 does not exist: allowed 0 to %d" % last),
                (("echo", "--cpu", "x"), "--cpu x: allowed 0 to 1023"),
                (("echo", "--count", "0"), "--count 0: allowed 1 to 16"),
                (("echo", "--count", "3"), "2 slots are free of echo, not "
                 "3: its entry needs a larger `spare`")):
            equal(said(i, "add", *args), "starfish: " + want, args)
        i.cli("add", "echo", "--count", "2", "--cpu", "0")
        equal([(w["state"], w["cpu"], w["restarts"]) for w in i.workers()],
              [("SERVING", 1, 0), ("SERVING", 0, 0), ("SERVING", 0, 0)],
              "workers")
        equal(sorted(buckets(i, "echo").values()), [170, 171, 171], "buckets")
        equal(said(i, "add", "echo"), "starfish: 0 slots are free of echo, "
              "not 1: its entry needs a larger `spare`", "full")
        # whoever takes over runs where the dead one did
        pid = i.pids()[2]
        kill(pid)
        wait_for("a successor", lambda: i.pids()[2] not in (0, pid) and
                 i.workers()[2]["state"] == "SERVING")
        equal(i.workers()[2]["cpu"], 0, "cpu")
        i.cli("remove", "1")
        i.cli("remove", "2")
        equal(said(i, "remove", "2"), "starfish: slot 2 (echo, echo) is "
              "EMPTY, not SERVING", "removed already")
        i.cli("add", "echo", "--count", "2")
        equal([w["cpu"] for w in i.workers()], [1, 1, 1], "as configured")


@test
def an_added_worker_takes_what_the_last_one_left():
    """Nobody is there to give it: the primary does."""
    entry = echo().replace("count = 1;", "count = 1; spare = 2;")
    with Instance([entry]) as i:
        i.cli("add", "echo")
        i.cli("remove", "0")
        i.cli("remove", "1")
        equal(buckets(i, "echo"), {0: 0, 1: 512, 2: 0}, "all gone")
        i.cli("add", "echo")        # in slot 0
        equal(buckets(i, "echo"), {0: 512, 1: 0, 2: 0}, "added")
        with connect(7, seconds=5) as s:
            s.sendall(b"hello")
            equal(s.recv(5), b"hello", "an answer")
            i.cli("add", "echo", "--count", "2")
            s.sendall(b"again")
            equal(s.recv(5), b"again", "an answer")
        equal(sorted(buckets(i, "echo").values()), [170, 171, 171], "buckets")


MANY = 10000


def even(i, group):
    """Connections of a group's workers are within 10 % of equal shares."""
    c = {w["slot"]: w["connections"] for w in i.workers()
         if w["group"] == group}
    print("connections by slot:", c)
    mean = sum(c.values()) / len(c)
    claim(mean > 2000, "%d connections each" % mean)
    for slot, n in c.items():
        claim(abs(n - mean) <= 0.1 * mean, "slot %d has %d of %d" % (
            slot, n, sum(c.values())))


@test
def ten_thousand_connections_are_shared_out_on_tap():
    resource.setrlimit(resource.RLIMIT_NOFILE, (MANY + 100, MANY + 100))
    entry = echo().replace("count = 1; cpus = [ 1 ];",
                           "count = 1; spare = 2; cpus = [ 0, 1 ];")
    text = conf("mvmany", [entry]).replace(
        "connections = 4096", "connections = %d" % (MANY + 64))
    with Instance(name="mvmany", text=text) as i:
        socks = [connect(7, seconds=10) for _ in range(MANY)]
        print(i.cli("add", "echo").stdout)
        equal(buckets(i, "echo"), {0: 256, 1: 256, 2: 0}, "after one more")
        print(i.cli("add", "echo", "--cpu", "0").stdout)
        wait_for("all", lambda: sum(conns(i).values()) == MANY)
        even(i, "echo")
        equal(sorted(buckets(i, "echo").values()), [170, 171, 171], "buckets")
        for s in socks[::50]:
            s.sendall(b"here")
        for s in socks[::50]:
            equal(s.recv(4), b"here", "an answer")
        for s in socks:
            s.close()


@test
def ten_thousand_connections_are_shared_out_over_a_wire():
    www((SIZE,))
    text = WIRE % {"name": "mveven", "root": TMP}
    text = text.replace("connections = 4096", "connections = %d" % (MANY + 64))
    text = text.replace("concurrency = 200", "concurrency = %d" % MANY)
    i = Instance(name="mveven", text=text)
    with i:
        # a storm of so many overflows the backlog: not all come in
        wait_for("load", lambda: conns(i)[0] >= MANY // 2, 20)
        print(i.cli("add", "web").stdout)
        equal(buckets(i, "web"), {0: 256, 1: 256}, "after add")
        even(i, "web")


AF_PACKET = """{ name = "tap0"; type = "vdev";
    device = "net_af_packet0,iface=vs0,qpairs=1";
    address = [ "10.79.0.2/24" ]; lane = "dispatch"; }"""


@test
def workers_come_and_go_on_a_dispatched_port():
    sh("ip", "link", "add", "vs0", "type", "veth", "peer", "name", "vs1")
    sh("ip", "address", "add", "10.79.0.1/24", "dev", "vs1")
    for dev in ("vs0", "vs1"):
        sh("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off",
           ok=None)
        sh("ip", "link", "set", dev, "up")
    with Instance(entries(), ports=AF_PACKET) as i:
        with Traffic(conns=60) as t:
            wait_for("requests", lambda: t.requests > 100)
            for what in (("add", "web"), ("drain", "0"), ("add", "web")):
                print(i.cli(*what).stdout)
                n = t.requests
                wait_for("requests", lambda: t.requests > n + 200, 20)
        equal(buckets(i, "web"), {0: 256, 1: 256}, "shares")


@test
def a_kill_in_the_middle_of_moves_costs_what_was_in_hand():
    """Rebalanced by add and drain again and again while workers are killed."""
    www((SIZE,))
    with Instance([http(count=2, entry="spare = 1;")]) as i:
        socks = [connect(seconds=10) for _ in range(100)]
        kills, lost, gap = 0, 0, 0.0
        get = b"GET /f%d.bin HTTP/1.1\r\nHost: h\r\n\r\n" % SIZE
        for k in range(6):
            add = threading.Thread(target=i.cli, args=(
                ("add", "web") if k % 2 == 0 else ("drain", "2"),),
                kwargs={"ok": None})
            for s in socks:
                s.sendall(get)
            add.start()
            time.sleep(0.02 * k)
            w = [w for w in i.workers() if w["state"] == "SERVING" and
                 w["slot"] != 2]
            if w:
                kill(w[k // 2 % len(w)]["pid"])
                kills += 1
            for s in list(socks):
                last = time.monotonic()
                try:
                    equal(Reply(s).body, content(SIZE), "body")
                except (OSError, AssertionError) as e:
                    print("lost:", e)
                    lost += 1
                    socks.remove(s)
                gap = max(gap, time.monotonic() - last)
            add.join()
            wait_for("all serve", lambda: all(
                w["state"] == "SERVING" or w["slot"] == 2
                for w in i.workers()), 20)
        print("%d kills, %d lost, longest wait %.0f ms" % (
            kills, lost, gap * 1000))
        claim(lost <= kills, "%d lost by %d kills" % (lost, kills))
        claim(kills >= 4, "%d kills" % kills)
        i.cli("rebalance")
        for s in socks:
            s.sendall(get)
            equal(Reply(s).body, content(SIZE), "in the end")
            s.close()


@test
def websockets_move_with_messages_half_sent():
    """RFC 6455: frames go on where they were; a broadcast reaches all."""
    spare = [ws(extra="").replace("count = 1;", "count = 1; spare = 1;"),
             ws("cast", port=9002, mode="broadcast").replace(
                 "count = 1;", "count = 1; spare = 1;")]
    with Instance(spare) as i:
        clients = [Client(deflate=k % 2 == 0) for k in range(20)]
        crowd = [Client(port=9002) for _ in range(20)]
        for r, what in enumerate((("add", "ws"), ("add", "cast"),
                                  ("drain", "0"), ("drain", "2"))):
            data = payload(20000, r)
            for c in clients:
                c.send(data[:5000], fragment=700)
                c.frame(2, data, fin=False)     # and one is left open
            i.cli(*what)
            for c in clients:
                c.frame(0, data)
                equal(c.recv(), (2, data[:5000]), "before the move")
                claim(c.recv() == (2, data + data), "over the move")
            crowd[r].send(b"round %d" % r, op=1)
            for c in crowd:
                equal(c.recv(), (1, b"round %d" % r), "broadcast")
        for c in clients:
            c.close()
