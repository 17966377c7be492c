"""Workers come and go under load; connections go on, byte for byte."""
import json
import selectors
import socket
import threading
import time

from lib import (Instance, OURS, claim, connect, echo, equal, http, sh, test,
                 url, wait_for)
from t_files import content, www

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
