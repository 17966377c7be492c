"""HTTP as a stranger speaks it: odd requests, halves of requests, limits."""
import contextlib
import gzip
import json
import os
import socket
import time

import http_probe
from lib import (Instance, OURS, Reply, TMP, claim, connect, curl, equal, get,
                 http, kill, test, url, wait_for, write)


def www():
    """The document root that the probe asks for."""
    write(TMP + "/www/index.html", "<p>index</p>\n")
    write(TMP + "/www/file.txt", "0123456789" * 100)


@test
def odd_requests_get_the_answers_that_the_rfcs_ask_for():
    www()
    with Instance([http(count=1)]):
        n, wrong = 0, []
        for group, name, _, _, complaint in http_probe.Probe(OURS).run():
            n += 1
            if complaint:
                wrong.append("%s: %s: %s" % (group, name, complaint))
        claim(n >= 200, "only %d requests" % n)
        claim(not wrong, "%d of %d:\n%s" % (len(wrong), n, "\n".join(wrong)))


@test
def a_half_closed_client_is_answered_at_once():
    www()
    with Instance([http(count=1)]):
        for text, status in ((b"GET / HTTP/1.1\r\nHo", 400), (b"G", 400),
                             (b"POST /echo HTTP/1.1\r\nHost: h\r\n"
                              b"Content-Length: 9\r\n\r\nabc", 400),
                             (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 200)):
            t0 = time.monotonic()
            with connect() as s:
                s.sendall(text)
                s.shutdown(socket.SHUT_WR)
                equal(Reply(s).status, status, "%r" % text)
                equal(s.recv(1), b"", "the end after %r" % text)
            claim(time.monotonic() - t0 < 2, "%r: waited" % text)
        with connect() as s:
            s.shutdown(socket.SHUT_WR)
            equal(s.recv(1), b"", "the end after nothing")


@test
def precompressed_files_go_to_those_who_take_them():
    www()
    text = b"text " * 20000
    write(TMP + "/www/a.txt", text)
    write(TMP + "/www/a.txt.gz", gzip.compress(text))
    write(TMP + "/www/old.txt", text)
    write(TMP + "/www/old.txt.gz", gzip.compress(b"older"))
    os.utime(TMP + "/www/old.txt.gz", (1, 1))
    with Instance([http(count=1)]):
        equal(curl(url("/a.txt")).stdout, text, "as it is")
        equal(curl("--compressed", url("/a.txt")).stdout, text, "unpacked")
        r = get("/a.txt", "Accept-Encoding: br, gzip")
        equal(gzip.decompress(r.body), text, "coded")
        equal(r.fields["content-encoding"], "gzip", "coding")
        equal(r.fields["content-type"], "text/plain", "type")
        equal(get("/a.txt").fields["vary"], "Accept-Encoding", "Vary")
        r = get("/old.txt", "Accept-Encoding: gzip")
        equal(r.body, text, "a variant older than its file is not used")


@test
def hosts_and_listings_are_served():
    www()
    write(TMP + "/other/index.html", "other")
    write(TMP + "/other/dir/<b>.txt", "x")
    extra = 'hosts = [ "other.example=%s/other" ]; listing = true;' % TMP
    with Instance([http(count=1, extra=extra)]) as i:
        equal(curl("-H", "Host: Other.example:80", url("/")).stdout,
              b"other", "the host's root")
        equal(curl(url("/")).stdout, b"<p>index</p>\n", "the root of others")
        page = curl("-H", "Host: other.example", url("/dir/")).stdout
        claim(b'<a href="./%3Cb%3E.txt">&#60;b&#62;.txt</a>' in page,
              "listing: %r" % page)
        # the successor of a killed worker knows them too
        pid = i.pids()[0]
        kill(pid)
        wait_for("another worker", lambda: i.pids()[0] not in (0, pid) and
                 i.well())
        equal(curl("-H", "Host: other.example", url("/")).stdout, b"other",
              "after a kill")


def status_of(s):
    """Status of a GET on a connection that may be refused."""
    with contextlib.suppress(ConnectionError):
        s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    return Reply(s).status


def is_served():
    with connect() as s:
        return status_of(s) == 200


@test
def connections_of_an_address_are_limited():
    www()
    with Instance([http(count=1, extra="max_conns_per_address = 5;")]) as i:
        for _ in range(3):
            socks = [connect() for _ in range(5)]
            equal([status_of(s) for s in socks], [200] * 5, "within")
            with connect() as s:
                equal(status_of(s), 503, "above the limit")
                equal(s.recv(1), b"", "the end")
            for s in socks:
                s.close()
            wait_for("a place that is free again", is_served)
        r = json.loads(i.cli("stats", "--json").stdout)
        claim(r["services"]["web"]["refused"] >= 3, "refused: %r" % r)


@test
def slow_bodies_do_not_last():
    www()
    extra = "min_rate = 1000; body_timeout_ms = 5000;"
    with Instance([http(count=1, extra=extra)]), connect(seconds=40) as s:
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\n"
                  b"Content-Length: 5000\r\n\r\n")
        t0 = time.monotonic()
        s.settimeout(1)
        got = b""
        while not got and time.monotonic() - t0 < 35:
            s.sendall(b"x")
            try:
                got = s.recv(4096)
            except socket.timeout:
                continue
        claim(got.startswith(b"HTTP/1.1 408 "), "got %r" % got[:40])
        claim(time.monotonic() - t0 > 15, "too early")
