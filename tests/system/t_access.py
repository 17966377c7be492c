"""The access log."""
import json
import os
import re
import threading
import time

from lib import (Instance, OURS, TMP, ask, claim, connect, equal, get, http,
                 kill, read, test, wait_for, write, HOST)

COMMON = re.compile(
    r'^([0-9a-f.:]+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
    r'"((?:[^"\\]|\\.)*)" (\d{3}) (\d+)$')


def root():
    write(TMP + "/www/index.html", "0123456789")


def lines(path, n):
    """The first n lines of a log, once they are there."""
    def whole():
        return os.path.exists(path) and read(path).count("\n") >= n
    wait_for("%d lines in %s" % (n, path), whole)
    return read(path).splitlines()


@test
def answers_are_logged_in_the_common_format():
    root()
    log = TMP + "/access.log"
    with Instance([http(extra='access_log = "%s";' % log)]) as i:
        get("/")
        get("/", method="HEAD")
        get("/none?x=\"y\"")
        get("/", "If-None-Match: *")
        get("/", "Range: bytes=2-4")
        get("/echo", "Content-Length: 5", method="POST", body=b"hello")
        ask(b"GET /\x01\xff HTTP/1.1\r\nHost: h\r\n\r\n")
        got = [COMMON.match(s) for s in lines(log, 7)]
        claim(all(got), "lines: %s" % read(log))
        got.sort(key=lambda m: (m.group(2), m.group(3)))
        equal({m.group(1) for m in got}, {HOST}, "client")
        seen = sorted((m.group(2), int(m.group(3)), int(m.group(4)))
                      for m in got)
        equal(seen, sorted([
            ("GET / HTTP/1.1", 200, 10), ("HEAD / HTTP/1.1", 200, 0),
            ('GET /none?x=\\"y\\" HTTP/1.1', 404, 14),
            ("GET / HTTP/1.1", 304, 0), ("GET / HTTP/1.1", 206, 3),
            ("POST /echo HTTP/1.1", 200, 5),
            ("GET /\\x01\\xFF HTTP/1.1", 400, 16)]), "lines")
        # renamed: the next lines go to a new file
        os.rename(log, log + ".1")
        wait_for("the new file", lambda: os.path.exists(log), 5)
        get("/")
        equal(len(lines(log, 1)), 1, "in the new file")
        equal(read(log + ".1").count("\n"), 7, "in the old one")
        # a killed worker's successor, and a killed writer's, go on
        pids = i.pids()
        for pid in pids.values():
            kill(pid)
        wait_for("other workers", lambda: i.well() and not
                 set(i.pids().values()) & set(pids.values()))
        get("/")
        equal(len(lines(log, 2)), 2, "after kills")


@test
def answers_are_logged_as_json():
    root()
    log = TMP + "/access.json"
    extra = 'access_log = "%s"; access_format = "json";' % log
    with Instance([http(count=1, extra=extra)]):
        get("/?q=%22", "User-Agent: \"me\"\t\\", "referer: http://x/\xe9")
        r = json.loads(lines(log, 1)[0])
        equal((r["request"], r["status"], r["bytes"], r["host"], r["client"],
               r["slot"]), ("GET /?q=%22 HTTP/1.1", 200, 10, OURS, HOST, 0),
              "line")
        equal(r["agent"], '"me"\t\\', "agent")
        claim(r["referer"].startswith("http://x/"), "referer: %r" % r)


@test
def a_log_goes_to_another_file_under_load():
    root()
    one, two = TMP + "/one.log", TMP + "/two.log"
    with Instance([http(count=1, extra='access_log = "%s";' % one)]) as i:
        stop, sent = threading.Event(), []

        def load():
            with connect() as s:
                s.settimeout(20)
                while not stop.is_set():
                    s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 50)
                    sent.append(50)
                    left, rest = 50, b""
                    while left > 0:
                        rest += s.recv(65536)
                        left -= rest.count(b"0123456789")
                        rest = rest[-9:]

        some = [threading.Thread(target=load) for _ in range(4)]
        for t in some:
            t.start()
        try:
            lines(one, 10)
            write(i.file, read(i.file).replace(one, two))
            i.cli("reload")
            lines(two, 10)
        finally:
            stop.set()
            for t in some:
                t.join()
        r = json.loads(i.cli("stats", "--json").stdout)
        lost = r["services"]["web"]["unlogged"]
    # nothing is lost between the two writers, and nothing written twice
    equal(read(one).count("\n") + read(two).count("\n"),
          sum(sent) - lost, "lines")


@test
def a_log_can_be_switched_on_by_reload_and_blocks_nobody():
    root()
    log = TMP + "/access.log"
    with Instance([http(count=1)]) as i:
        get("/")
        text = read(i.file)
        write(i.file, text.replace('echo = "/echo"', 'echo = "/echo"; '
                                   'access_log = "%s"' % log))
        i.cli("reload")
        get("/")
        equal(len(lines(log, 1)), 1, "from now on")
        # a writer that is stopped: lines are lost, answers are not
        pid = next(p for p in os.listdir("/proc") if p.isdigit() and
                   read("/proc/%s/comm" % p).strip() == "starfish-log")
        kill(int(pid), 19)
        n = 30000
        with connect() as s:
            s.settimeout(20)
            one = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
            for _ in range(n // 100):
                s.sendall(one * 100)
                got = b""
                while got.count(b"HTTP/1.1 200") < 100 or not \
                        got.endswith(b"0123456789"):
                    got += s.recv(1 << 20)
        kill(int(pid), 18)
        r = json.loads(i.cli("stats", "--json").stdout)
        lost = r["services"]["web"]["unlogged"]
        claim(0 < lost < n, "lost: %d of %d" % (lost, n))
        have = lines(log, 1 + n - lost)
        time.sleep(0.3)
        equal(len(have), 1 + n - lost, "lines")
        # all that was handed over is written before the end
        get("/")
    equal(read(log).count("\n"), 2 + n - lost, "after down")
