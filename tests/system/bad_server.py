#!/usr/bin/env python3
"""A web server that breaks the rules, one way per path; /good keeps them.

usage: bad_server.py ADDRESS PORT

Each connection is answered by the path of its request. `short` announces more
than it sends, `long` less; `early` closes without an answer, `half` in the
middle of a head; `endless` sends a head that never ends; `chunk` a chunk whose
size is none, `cut` ends within chunks; `garbage` is no HTTP, `field` has a
malformed field, `lengths` two different lengths, `coding` a coding that nobody
knows; `status` answers 500, `slow` does not answer; `one.0` is HTTP/1.0 that
ends with the connection, `chunked` right chunks, `changes` another size every
second time, `other` the right size with other bytes; `reset` ends by RST.
"""
import socket
import struct
import sys
import threading

BODY = bytes(range(65, 91)) * 40


def plain(n, body=BODY):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n + body


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
N = len(BODY)
# path -> (what is sent, whether it is then closed)
ANSWERS = {
    "/good": (plain(N), False),
    "/chunked": (CHUNKED + b"".join(
        b"%x;a=b\r\n%s\r\n" % (len(BODY[i:i + 99]), BODY[i:i + 99])
        for i in range(0, N, 99)) + b"0\r\nTrailer: x\r\n\r\n", False),
    "/one.0": (b"HTTP/1.0 200 OK\r\n\r\n" + BODY, True),
    "/short": (plain(N + 10), True),
    "/long": (plain(N - 10), False),
    "/early": (b"", True),
    "/half": (b"HTTP/1.1 200 OK\r\nContent-Le", True),
    "/chunk": (CHUNKED + b"5\r\nhello\r\nxyz\r\n", False),
    "/cut": (CHUNKED + b"ff\r\nhello", True),
    "/garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", False),
    "/field": (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", False),
    "/lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                 b"Content-Length: 4\r\n\r\nabcd", False),
    "/coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
                False),
    "/status": (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", False),
    "/other": (plain(N, BODY[::-1]), False),
}


def endless(s):
    s.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(1 << 20):
        s.sendall(b"X-%d: %s\r\n" % (i, b"y" * 500))


def serve(s):
    buf, count = b"", 0
    while True:
        while b"\r\n\r\n" not in buf:
            got = s.recv(65536)
            if not got:
                return
            buf += got
        head, _, buf = buf.partition(b"\r\n\r\n")
        path = head.split()[1].decode("latin-1")
        last = b"connection: close" in head.lower()
        count += 1
        if path == "/endless":
            endless(s)
        elif path == "/slow":
            s.recv(1)
        elif path == "/reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            return
        elif path == "/changes":
            s.sendall(plain(N - count % 2, BODY[:N - count % 2]))
        else:
            data, close = ANSWERS[path]
            s.sendall(data)
            last = last or close
        if last:
            return


def connection(s):
    with s:
        try:
            serve(s)
        except (BrokenPipeError, ConnectionResetError):
            pass


def main(addr, port):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    ls = socket.socket(family)
    ls.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    ls.bind((addr, int(port)))
    ls.listen(512)
    while True:
        s, _ = ls.accept()
        threading.Thread(target=connection, args=(s,), daemon=True).start()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
