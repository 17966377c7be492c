"""Files over HTTP: every byte, every status, as curl and raw sockets see it."""
import email.utils
import hashlib
import os
import time

from lib import (Instance, Reply, TMP, claim, connect, curl, equal, get, ask,
                 http, test, url, write, OURS)

MSS = 1448              # MTU 1500 less IP, TCP and timestamps
SIZES = [0, 1, 64, MSS - 1, MSS, MSS + 1, 1459, 1460, 1461, 2 * MSS,
         65535, 65536, 65537, 1 << 20, 10 << 20]


def content(n):
    """n bytes that repeat nowhere near, so that a shift shows."""
    out = bytearray()
    i = 0
    while len(out) < n:
        out += hashlib.sha512(b"%d" % i).digest() * 4
        i += 1
    return bytes(out[:n])


def www(sizes=(64,)):
    """A document root with one file per size."""
    for n in sizes:
        write(TMP + "/www/f%d.bin" % n, content(n))
    write(TMP + "/www/index.html", "<p>index</p>\n")


@test
def files_of_all_sizes_arrive_byte_exact():
    www(SIZES)
    with Instance():
        args = []
        for n in SIZES:
            args += ["-o", TMP + "/got%d" % n, url("/f%d.bin" % n)]
        curl(*args)
        for n in SIZES:
            with open(TMP + "/got%d" % n, "rb") as f:
                claim(f.read() == content(n), "size %d differs" % n)
        # and each on a connection of its own
        for n in SIZES:
            claim(curl(url("/f%d.bin" % n)).stdout == content(n),
                  "size %d differs" % n)


@test
def subdirectories_and_odd_names_are_served():
    www()
    names = {"/a/b/c/deep.txt": "deep", "/with space.txt": "space",
             "/per%cent.txt": "percent", "/umläut.txt": "umlaut",
             "/a/index.html": "a's index", "/noext": "plain"}
    for name, text in names.items():
        write(TMP + "/www" + name, text)
    with Instance():
        equal(curl(url("/a/b/c/deep.txt")).stdout, b"deep", "sub-directory")
        equal(curl(url("/with%20space.txt")).stdout, b"space", "%20")
        equal(curl(url("/per%25cent.txt")).stdout, b"percent", "%25")
        equal(curl(url("/uml%c3%a4ut.txt")).stdout, b"umlaut", "UTF-8")
        equal(curl(url("/a/")).stdout, b"a's index", "index file")
        equal(curl("--path-as-is", url("/a/./b/../b/c/deep.txt")).stdout,
              b"deep", "dot segments within the root")
        for path in ("/../etc/passwd", "/%2e%2e/etc/passwd",
                     "/a/../../etc/passwd", "/..%2fetc/passwd",
                     "/a%00b", "/\\..\\etc\\passwd", "/%c0%ae%c0%ae/x"):
            r = get(path)
            claim(r.status in (400, 404), "%s: status %d" % (path, r.status))


@test
def fields_of_an_answer_are_right():
    www((1000,))
    types = {"a.html": "text/html", "a.txt": "text/plain",
             "a.css": "text/css", "a.png": "image/png",
             "a.json": "application/json", "a.svg": "image/svg+xml",
             "a.JPG": "image/jpeg", "a.unknownext": None, "a": None}
    for name in types:
        write(TMP + "/www/" + name, "x")
    with Instance():
        for name, want in types.items():
            got = get("/" + name).fields.get("content-type", "")
            if want is None:
                claim(got in ("application/octet-stream", "text/plain"),
                      "%s: type %r" % (name, got))
            else:
                equal(got.split(";")[0], want, name)
        r = get("/f1000.bin")
        equal(r.status, 200, "status")
        equal(r.fields["content-length"], "1000", "length")
        equal(r.fields["accept-ranges"], "bytes", "Accept-Ranges")
        claim(r.fields["etag"].startswith('"'), "ETag is quoted")
        claim("server" in r.fields, "Server")
        date = email.utils.parsedate_to_datetime(r.fields["date"]).timestamp()
        claim(abs(date - time.time()) < 3, "Date is now: " + r.fields["date"])
        mtime = email.utils.formatdate(
            int(os.stat(TMP + "/www/f1000.bin").st_mtime), usegmt=True)
        equal(r.fields["last-modified"], mtime, "Last-Modified")


@test
def head_sends_the_same_fields_and_no_body():
    www((5000,))
    with Instance(), connect() as s:
        g = get("/f5000.bin")
        s.sendall(b"HEAD /f5000.bin HTTP/1.1\r\nHost: h\r\n\r\n"
                  b"GET /f5000.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        r = Reply(s, head_only=True)
        equal(r.status, 200, "status")
        for k in ("content-length", "etag", "content-type", "last-modified"):
            equal(r.fields[k], g.fields[k], k)
        # the next answer follows at once: no body came between
        r2 = Reply(s, r.rest)
        equal(r2.body, content(5000), "body after HEAD")
        equal(get("/none", method="HEAD").status, 404, "HEAD of nothing")


@test
def ranges_are_cut_exactly():
    www((100000,))
    all_ = content(100000)
    with Instance():
        for spec, a, b in (("0-0", 0, 1), ("0-99", 0, 100),
                           ("1447-1448", 1447, 1449),
                           ("99999-", 99999, 100000),
                           ("500-", 500, 100000), ("-1", 99999, 100000),
                           ("-200000", 0, 100000),
                           ("65536-200000", 65536, 100000)):
            r = get("/f100000.bin", "Range: bytes=" + spec)
            equal(r.status, 206, spec)
            claim(r.body == all_[a:b], spec + ": wrong bytes")
            equal(r.fields["content-range"],
                  "bytes %d-%d/100000" % (a, b - 1), spec)
        equal(curl("-r", "10-19", url("/f100000.bin")).stdout, all_[10:20],
              "curl -r")
        r = get("/f100000.bin", "Range: lines=1-2")
        equal((r.status, len(r.body)), (200, 100000), "unknown unit")
        r = get("/f100000.bin", "Range: bytes=5-2")
        claim(r.status in (200, 416), "a range that ends before it starts")


@test
def unchanged_files_are_answered_by_304():
    www((5000,))
    with Instance():
        r = get("/f5000.bin")
        tag, date = r.fields["etag"], r.fields["last-modified"]
        old = "Mon, 01 Jan 2001 00:00:00 GMT"
        for field, want in (("If-None-Match: " + tag, 304),
                            ('If-None-Match: "x", %s' % tag, 304),
                            ("If-None-Match: *", 304),
                            ('If-None-Match: "x"', 200),
                            ("If-Modified-Since: " + date, 304),
                            ("If-Modified-Since: " + old, 200),
                            ("If-Modified-Since: garbage", 200)):
            r = get("/f5000.bin", field)
            equal(r.status, want, field)
            equal(len(r.body), 0 if want == 304 else 5000, field)
            equal(r.fields["etag"], tag, field)


@test
def wrong_requests_get_their_status():
    www()
    with Instance():
        equal(get("/nothing").status, 404, "no such file")
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            r = get("/f64.bin", "Content-Length: 0", method=method)
            equal(r.status, 405, method)
            claim("GET" in r.fields.get("allow", ""), method + ": Allow")
        equal(get("/" + "a" * 20000).status, 414, "URI of 20,000 bytes")
        many = ["X-%d: %s" % (i, "v" * 1000) for i in range(100)]
        equal(get("/f64.bin", *many).status, 431, "100 kB of fields")
        equal(get("/f64.bin", version="HTTP/2.0").status, 505, "HTTP/2.0")
        for name, req in (
                ("no Host", b"GET / HTTP/1.1\r\n\r\n"),
                ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
                ("no version", b"GET /\r\nHost: a\r\n\r\n"),
                ("binary", bytes(range(128, 256)) + b"\r\n\r\n"),
                ("space in name", b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n"),
                ("space before colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")):
            equal(ask(req).status, 400, name)
        equal(get("/f64.bin").status, 200, "and the server lives")


@test
def connections_are_kept_and_requests_pipelined():
    www((64, 3000))
    with Instance(), connect() as s:
        for _ in range(50):
            s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
            r = Reply(s)
            equal((r.status, r.body, r.rest), (200, content(64), b""),
                  "keep-alive")
        names = ["/f64.bin", "/f3000.bin", "/none", "/f64.bin"] * 50
        s.sendall("".join("GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % n
                          for n in names).encode())
        rest = b""
        for n in names:
            r = Reply(s, rest)
            rest = r.rest
            if n == "/none":
                equal(r.status, 404, "in order")
            else:
                claim(r.body == content(int(n[2:-4])), "in order: " + n)
        equal(rest, b"", "nothing after the last answer")
        # a head may come byte by byte
        for b in b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n":
            s.sendall(bytes([b]))
            time.sleep(0.001)
        equal(Reply(s).body, content(64), "byte by byte")
        s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n"
                  b"Connection: close\r\n\r\n")
        equal(Reply(s).body, content(64), "Connection: close")
        equal(s.recv(1), b"", "closed afterwards")


@test
def http_1_0_closes_unless_asked():
    www()
    with Instance():
        with connect() as s:
            s.sendall(b"GET /f64.bin HTTP/1.0\r\n\r\n")
            equal(Reply(s).body, content(64), "1.0")
            equal(s.recv(1), b"", "closed")
        with connect() as s:
            for word in (b"keep-alive", b"Keep-Alive"):
                s.sendall(b"GET /f64.bin HTTP/1.0\r\nConnection: %s\r\n\r\n" %
                          word)
                equal(Reply(s).body, content(64), "kept")


@test
def a_half_closed_client_gets_its_whole_body():
    www((1 << 20,))
    with Instance(), connect() as s:
        s.sendall(b"GET /f1048576.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        s.shutdown(1)
        claim(Reply(s).body == content(1 << 20), "whole body")


@test
def ten_megabytes_are_echoed_byte_exact():
    data = content(10 << 20)
    www()
    write(TMP + "/up", data)
    with Instance():
        for args in ([], ["-H", "Expect:"]):
            got = curl(*args, "-X", "POST", "-H",
                       "Content-Type: application/octet-stream",
                       "--data-binary", "@" + TMP + "/up", url("/echo"))
            claim(got.stdout == data, "echo differs, %d of %d bytes came" %
                  (len(got.stdout), len(data)))
        for n in (0, 1, MSS, 65537):
            r = get("/echo", "Content-Length: %d" % n, method="POST",
                    body=data[:n])
            equal(r.status, 200, "POST of %d bytes" % n)
            claim(r.body == data[:n], "echo of %d bytes" % n)


@test
def two_workers_serve_one_tree():
    www((777,))
    with Instance([http(count=2)]) as i:
        for _ in range(60):
            equal(get("/f777.bin").body, content(777), "body")
        served = [w for w in i.workers() if w["service"] == "http"]
        equal(len(served), 2, "workers")
