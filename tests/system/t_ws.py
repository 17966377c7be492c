"""WebSocket over tap: the service, the path of http, kills, a browser page."""
import base64
import hashlib
import os
import random
import shutil
import struct
import threading
import time
import zlib

from lib import (Instance, OURS, Skip, TMP, claim, connect, equal,
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


@test
def ws_page_works_in_a_browser():
    browser = next((b for b in ("chromium", "chromium-browser",
                                "google-chrome") if shutil.which(b)), None)
    if browser is None:
        raise Skip("no chromium")
    page = os.path.join(HERE, "../../config/www/ws.html")
    with open(page) as f:
        write(os.path.join(TMP, "page/ws.html"), f.read())
    with Instance([http(count=1, root="page", extra='ws = "/ws";')]):
        out = sh(browser, "--headless", "--no-sandbox", "--disable-gpu",
                 "--user-data-dir=" + os.path.join(TMP, "chromium"),
                 "--virtual-time-budget=20000", "--dump-dom",
                 "http://%s/ws.html#test" % OURS, seconds=60).stdout
        claim('data-test="passed"' in out, out[-2000:])
