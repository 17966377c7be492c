"""WebSocket over tap: the service, the path of http, kills, a browser page."""
import base64
import hashlib
import json
import os
import random
import resource
import select
import struct
import threading
import time
import zlib

import browser
from lib import (Instance, OURS, Skip, TMP, claim, conf, connect, equal,
                 http, kill, sh, test, wait_for, write)

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PORT = 9001
HERE = os.path.dirname(os.path.abspath(__file__))


def ws(name="ws", count=1, port=PORT, mode="echo", extra=""):
    """A worker entry of the ws service."""
    return """{ name = "%s"; service = "ws"; ports = [ "tap0" ];
    count = %d; cpus = [ 0, 1 ]; listen = [ "%s:%d" ];
    ws = { mode = "%s"; %s }; }""" % (name, count, OURS, port, mode, extra)


class Client:
    """A WebSocket client, small: no check is left out, no frame is cut."""

    def __init__(self, port=PORT, path="/", deflate=False, fields=()):
        self.sock = connect(port, seconds=20)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET %s HTTP/1.1" % path, "Host: " + OURS,
                 "Upgrade: websocket", "Connection: Upgrade",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key]
        if deflate:
            lines.append("Sec-WebSocket-Extensions: permessage-deflate")
        self.sock.sendall(("\r\n".join(lines + list(fields)) +
                           "\r\n\r\n").encode())
        self.buf = b""
        while b"\r\n\r\n" not in self.buf:
            self._more()
        head, _, self.buf = self.buf.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1").lower()
        self.status = int(self.head.split()[1])
        self.deflate = "permessage-deflate" in self.head
        if self.status == 101:
            want = base64.b64encode(hashlib.sha1(
                (key + GUID).encode()).digest()).decode().lower()
            claim("sec-websocket-accept: " + want in self.head, self.head)

    def _more(self):
        got = self.sock.recv(1 << 20)
        claim(got, "connection closed after %r" % self.buf[:100])
        self.buf += got

    def frame(self, op, data=b"", fin=True, rsv1=False):
        mask = os.urandom(4)
        n = len(data)
        head = bytes([op | 0x80 * fin | 0x40 * rsv1])
        head += (bytes([0x80 | n]) if n < 126 else
                 struct.pack("!BH", 254, n) if n < 65536 else
                 struct.pack("!BQ", 255, n))
        key = int.from_bytes((mask * (n // 4 + 1))[:n], "big")
        data = (int.from_bytes(data, "big") ^ key).to_bytes(n, "big")
        self.sock.sendall(head + mask + data)

    def send(self, data, op=2, fragment=None):
        zipped = self.deflate
        if zipped:
            z = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = (z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))[:-4]
        fragment = fragment or max(len(data), 1)
        parts = [data[i:i + fragment]
                 for i in range(0, len(data), fragment)] or [b""]
        for i, p in enumerate(parts):
            self.frame(0 if i else op, p, i == len(parts) - 1,
                       zipped and i == 0)

    def _frame(self):
        while True:
            if len(self.buf) >= 2:
                n, h = self.buf[1], 2
                claim(n < 128, "a masked frame of the server")
                if n == 126 and len(self.buf) >= 4:
                    n, h = struct.unpack("!H", self.buf[2:4])[0], 4
                elif n == 127 and len(self.buf) >= 10:
                    n, h = struct.unpack("!Q", self.buf[2:10])[0], 10
                if (n < 126 or h > 2) and len(self.buf) >= h + n:
                    first, data = self.buf[0], self.buf[h:h + n]
                    self.buf = self.buf[h + n:]
                    return first, data
            self._more()

    def recv(self):
        """The next message or control frame: opcode, data."""
        parts, op, zipped = [], 0, False
        while True:
            first, data = self._frame()
            if first & 8:
                return first & 15, data
            if first & 15:
                op, zipped = first & 15, first & 0x40
            parts.append(data)
            if first & 0x80:
                data = b"".join(parts)
                if zipped:
                    data = zlib.decompressobj(-15).decompress(
                        data + b"\0\0\xff\xff")
                return op, data

    def close(self):
        """The closing handshake; the server ends the connection."""
        self.frame(8, struct.pack("!H", 1000) + b"done")
        equal(self.recv(), (8, struct.pack("!H", 1000)), "answer to Close")
        equal(self.sock.recv(1), b"", "what follows it")
        self.sock.close()


def payload(n, seed=1):
    return random.Random(seed).randbytes(n)


@test
def ws_echo_gives_back_every_message():
    os.makedirs(os.path.join(TMP, "none"), exist_ok=True)
    with Instance([ws(), http(count=1, root="none", extra='ws = "/ws";')]):
        for port, path in ((PORT, "/"), (80, "/ws")):
            for deflate in (False, True):
                c = Client(port, path, deflate)
                equal(c.status, 101, "handshake")
                equal(c.deflate, deflate, "permessage-deflate")
                for n in (0, 1, 125, 126, 65535, 65536, 1 << 20):
                    for frag in (None, 1000):
                        data = payload(n)
                        c.send(data, fragment=frag)
                        op, got = c.recv()
                        claim(op == 2 and got == data,
                              "%d bytes came back differently" % n)
                c.send("h\u00e9llo".encode(), op=1)
                equal(c.recv(), (1, "h\u00e9llo".encode()), "text")
                c.frame(9, b"are you there")
                equal(c.recv(), (10, b"are you there"), "Pong")
                c.close()


@test
def ws_takes_16_mib_messages():
    with Instance([ws()]):
        data = b"0123456789abcdef" * (1 << 20)
        for deflate in (False, True):
            c = Client(deflate=deflate)
            start = time.monotonic()
            t = threading.Thread(target=c.send, args=(data,),
                                 kwargs={"fragment": 1 << 16})
            t.start()
            claim(c.recv() == (2, data), "16 MiB came back differently")
            t.join()
            claim(time.monotonic() - start < 20, "16 MiB took too long")
            c.close()


@test
def ws_refuses_what_is_no_handshake():
    extra = 'protocols = [ "chat" ]; origins = [ "http://good.example" ];'
    with Instance([ws(extra=extra)]):
        equal(Client(fields=["Origin: http://evil.example"]).status, 403,
              "another origin")
        c = Client(fields=["Origin: http://good.example",
                           "Sec-WebSocket-Protocol: x, chat"])
        claim("sec-websocket-protocol: chat" in c.head, c.head)
        out = sh("curl", "-si", "-m", "5",
                 "http://%s:%d/" % (OURS, PORT)).stdout
        claim(out.startswith("HTTP/1.1 426 "), out)
        claim("Sec-WebSocket-Version: 13" in out, out)
        c.frame(1, b"\xce")
        equal(c.recv(), (8, struct.pack("!H", 1007)), "text not UTF-8")


@test
def ws_connections_outlive_their_worker():
    """What is not compressed, or held whole, is byte-exact over kills."""
    with Instance([ws()]) as i:
        clients = [Client(deflate=d) for d in (False, True, False)]
        for r in range(4):         # five deaths in 10 s: it stays dead
            data = payload(20000, r)
            for c in clients:
                c.send(data[:10000], fragment=700)
                c.frame(2, data, fin=False)     # and one is left open
            pid = next(w["pid"] for w in i.workers())
            kill(pid)
            wait_for("a successor", lambda: any(
                w["pid"] not in (0, pid) and w["state"] == "SERVING"
                for w in i.workers()))
            for c in clients:
                c.frame(0, data)
                equal(c.recv(), (2, data[:10000]), "before the kill")
                claim(c.recv() == (2, data + data), "over the kill")
        for c in clients:
            c.close()


@test
def ws_broadcast_and_push():
    with Instance([ws("cast", mode="broadcast"),
                   ws("push", port=PORT + 1, mode="push",
                      extra="push_rate = 100;")]):
        all_ = [Client(deflate=k % 2 == 0) for k in range(200)]
        for k in range(5):
            all_[k].send(b"message %d" % k, op=1)
        first = [all_[0].recv() for _ in range(5)]
        equal(sorted(first), [(1, b"message %d" % k) for k in range(5)],
              "broadcast")
        for c in all_[1:]:
            equal([c.recv() for _ in range(5)], first, "in one order")
        c = Client(PORT + 1)
        start = time.monotonic()
        for _ in range(100):
            equal(c.recv()[0], 1, "push")
        took = time.monotonic() - start
        claim(0.7 < took < 3, "100 messages of 100/s took %.2f s" % took)


CROWD = 10000


@test
def ws_broadcast_reaches_ten_thousand_clients_of_two_workers():
    resource.setrlimit(resource.RLIMIT_NOFILE, (CROWD + 500, CROWD + 500))
    name = "crowd%d" % os.getpid()
    text = conf(name, [ws("cast", count=2, mode="broadcast")]).replace(
        "connections = 4096;", "connections = 8192;")
    with Instance(name=name, text=text) as i:
        ask = ("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
               ).encode()
        crowd = {}
        poll = select.epoll()
        for _ in range(CROWD):
            s = connect(PORT, seconds=20)
            s.sendall(ask)
            crowd[s.fileno()] = [s, b""]
            poll.register(s.fileno(), select.EPOLLIN)

        def gather(done, seconds=40):
            left, end = set(crowd), time.monotonic() + seconds
            while left:
                claim(time.monotonic() < end, "%d clients wait" % len(left))
                for fd, _ in poll.poll(1):
                    c = crowd[fd]
                    got = c[0].recv(65536)
                    claim(got, "connection closed")
                    c[1] += got
                    if done(c[1]):
                        left.discard(fd)

        gather(lambda b: b.endswith(b"\r\n\r\n"))
        for c in crowd.values():
            claim(c[1].startswith(b"HTTP/1.1 101"), "handshake")
            c[1] = b""
        shares = [w["connections"] for w in i.workers()]
        claim(min(shares) > CROWD * 0.4, "both serve some: %s" % shares)
        # 20 clients send a message each; whoever serves them
        msgs = [b"%04d" % k + b"x" * 96 for k in range(20)]
        start = time.monotonic()
        for c, m in zip(list(crowd.values()), msgs):
            mask = b"abcd"
            c[0].sendall(bytes([0x82, 0x80 | 100]) + mask + bytes(
                x ^ mask[k % 4] for k, x in enumerate(m)))
        gather(lambda b: len(b) >= 20 * 102)
        took = time.monotonic() - start
        for c in crowd.values():
            equal(sorted(c[1][k + 2:k + 102] for k in range(0, 2040, 102)),
                  msgs, "messages")
            equal(len(c[1]), 2040, "and no more")
        print("%d clients, %s: 20 messages to all in %.2f s, %.0f/s" % (
            CROWD, shares, took, 20 * CROWD / took))
        svc = json.loads(i.cli("stats", "--json").stdout)["services"]
        equal(svc["cast"]["dropped"], 0, "dropped")


@test
def ws_page_works_in_a_browser():
    program = browser.find()
    if program is None:
        raise Skip("no Chromium: make deps-browser installs it")
    www = os.path.join(HERE, "../../config/www")
    for name in ("ws.html", "style.css"):
        with open(os.path.join(www, name)) as f:
            write(os.path.join(TMP, "page", name), f.read())
    with Instance([http(count=1, root="page", extra='ws = "/ws";')]) as i:
        page = browser.Browser(program, os.path.join(TMP, "chromium"),
                               "http://%s/ws.html#test" % OURS)
        try:
            wait_for("the page's verdict", lambda: page.eval(
                "document.body && document.body.dataset.test"), 40, 0.1)
            text = page.eval("document.body.innerText")
            print(text)
            page.screenshot(os.environ.get("WS_SHOT", TMP + "/ws.png"))
            equal(page.eval("document.body.dataset.test"), "passed", text)
            claim("permessage-deflate" in text and "1 MiB back" in text, text)
            # by hand: a line, and its answer
            page.eval("$('text').value = 'by hand'; "
                      "$('form').requestSubmit()")
            wait_for("the answer", lambda: "< by hand" in page.eval(
                "document.body.innerText"))
            claim(i.counters()["tcp_bytes_in"] > 1000, "over our stack")
        finally:
            page.close()
