"""Files too large for the cache: read from the disk while they are sent."""
import contextlib
import hashlib
import os
import random
import socket
import threading
import time

from lib import (Instance, Reply, TMP, claim, connect, curl, equal, get, http,
                 kill, test, url, wait_for, write)

SMALL = "cache_file_max = 100000;"


def noise(n, seed=1):
    return random.Random(seed).randbytes(n)


def roots():
    """A root with a file in the cache and one that is not."""
    write(TMP + "/www/index.html", "<p>index</p>\n")
    big = noise(3_000_019)
    write(TMP + "/www/big.bin", big)
    os.chmod(TMP + "/www", 0o755)
    return big


@test
def a_streamed_file_is_like_any_other():
    big = roots()
    with Instance([http(count=1)], memory=SMALL) as i:
        equal(curl(url("/big.bin")).stdout, big, "whole")
        r = get("/big.bin", method="HEAD")
        equal(r.fields["content-length"], str(len(big)), "length of a HEAD")
        etag, date = r.fields["etag"], r.fields["last-modified"]
        equal(r.fields["accept-ranges"], "bytes", "Accept-Ranges")
        equal(get("/big.bin", "If-None-Match: " + etag).status, 304, "ETag")
        equal(get("/big.bin", "If-Modified-Since: " + date).status, 304,
              "date")
        equal(get("/big.bin", 'If-Match: "x"').status, 412, "If-Match")
        r = get("/big.bin", "Range: bytes=1500000-1500099")
        equal((r.status, r.body), (206, big[1500000:1500100]), "range")
        r = get("/big.bin", "Range: bytes=-300000", "If-Range: " + etag)
        equal((r.status, r.body), (206, big[-300000:]), "suffix")
        equal(get("/big.bin", "Range: bytes=3000019-").status, 416, "416")
        r = get("/big.bin", "Range: bytes=0-9,2999999-,70000-270000")
        equal(r.status, 206, "several")
        mark = r.fields["content-type"].partition("boundary=")[2].encode()
        parts = [p.partition(b"\r\n\r\n")[2][:-2]
                 for p in r.body.split(b"--" + mark)[1:-1]]
        equal(parts, [big[:10], big[2999999:], big[70000:270001]], "parts")
        # keep-alive and pipelining around it
        with connect() as s:
            ask = b"GET /%s HTTP/1.1\r\nHost: h\r\n\r\n"
            s.sendall(ask % b"" + ask % b"big.bin" + ask % b"none" +
                      ask % b"big.bin")
            rest, got = b"", []
            for _ in range(4):
                r = Reply(s, rest)
                got.append((r.status, r.body))
                rest = r.rest
            equal([g[0] for g in got], [200, 200, 404, 200], "pipelined")
            equal((got[1][1], got[3][1]), (big, big), "and whole")
        c = i.counters()
        equal(c["gauge_conns"], 0, "connections left")


@test
def a_changed_file_is_never_mixed():
    big = roots()
    with Instance([http(count=1)], memory=SMALL):
        with connect() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n")
            got = s.recv(65536)
            # renamed over: who began has the old one to its end
            write(TMP + "/www/new", noise(len(big), 2))
            os.rename(TMP + "/www/new", TMP + "/www/big.bin")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            while len(got) < len(big):
                more = s.recv(1 << 20)
                claim(more, "cut after %d" % len(got))
                got += more
            claim(got.endswith(big[-1000:]), "the old one to its end")
    big = roots()
    with Instance([http(count=1)], memory=SMALL):
        with connect() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n")
            n = len(s.recv(65536))
            # written in place: the connection must not end in order
            with open(TMP + "/www/big.bin", "r+b") as f:
                f.seek(2_900_000)
                f.write(b"other")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            with contextlib.suppress(ConnectionResetError):
                while True:
                    more = len(s.recv(1 << 20))
                    if more == 0:
                        break
                    n += more
            claim(n < len(big), "all of it came")
        equal(get("/big.bin").status, 503, "until the root is loaded again")
        equal(get("/").status, 200, "others are served")


@test
def downloads_go_on_after_a_kill():
    big = roots()
    with Instance([http(count=1)], memory=SMALL) as i:
        out = []

        def load(rate):
            p = curl("--limit-rate", rate, url("/big.bin"), ok=None)
            out.append((p.returncode, p.stdout == big))

        jobs = [threading.Thread(target=load, args=("1M",))
                for _ in range(8)]
        for j in jobs:
            j.start()
        for _ in range(3):
            time.sleep(0.5)
            pid = i.pids()[0]
            kill(pid)
            wait_for("another worker", lambda: i.pids()[0] not in (0, pid)
                     and i.well())
        for j in jobs:
            j.join()
        lost = sum(o != (0, True) for o in out)
        claim(lost <= 3, "%d of %d lost by 3 kills: %r" % (lost, len(out),
                                                           out))


@test
def many_slow_downloads_leave_room_for_others():
    big = roots()
    memory = SMALL + "stream_buffers = 4;"
    with Instance([http(count=1)], memory=memory) as i:
        socks = []
        for _ in range(300):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(20)
            s.connect(("10.79.0.2", 80))
            s.sendall(b"GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n")
            socks.append(s)
        for s in socks:
            claim(s.recv(16).startswith(b"HTTP/1.1 200"), "a head")
        for _ in range(20):
            equal(get("/").status, 200, "a small file meanwhile")
        equal(hashlib.sha1(curl(url("/big.bin")).stdout).digest(),
              hashlib.sha1(big).digest(), "a fast download meanwhile")
        c = i.counters()
        claim(c["gauge_chunks_held"] < 2048 * 9 // 10 + 300 * 2,
              "chunks held: %d" % c["gauge_chunks_held"])
        for s in socks:
            s.close()
        wait_for("all chunks back", lambda:
                 i.counters()["gauge_chunks_held"] == 0)
