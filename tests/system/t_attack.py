"""Slow and greedy clients, by slowhttptest: others must not notice."""
import contextlib
import json
import shutil
import subprocess
import threading

from lib import (Instance, OURS, Reply, Skip, TMP, claim, equal, http, sh,
                 test, wait_for, write)
from t_stream import noise

import socket

OTHER = "10.79.0.9"     # who means well
N = 200                 # attackers


def root():
    write(TMP + "/www/index.html", "0123456789" * 10)
    write(TMP + "/www/big.bin", noise(2_000_000))


class Normal(threading.Thread):
    """A client of another address that asks again and again."""

    def __init__(self):
        super().__init__()
        self.done = self.failed = 0
        self.stop = threading.Event()

    def run(self):
        while not self.stop.is_set():
            try:
                with socket.create_connection((OURS, 80), 5,
                                              (OTHER, 0)) as s:
                    for _ in range(10):
                        s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                        r = Reply(s)
                        ok = r.status == 200 and len(r.body) == 100
                        self.done += ok
                        self.failed += not ok
            except Exception:       # a reset, a claim: all the same here
                self.failed += 1
            self.stop.wait(0.02)


@contextlib.contextmanager
def besieged(extra, *args, seconds=6, memory=""):
    """An instance under attack; yields (instance, normal client)."""
    if shutil.which("slowhttptest") is None:
        raise Skip("no slowhttptest: make deps")
    root()
    with Instance([http(count=1, extra=extra)], memory=memory) as i:
        sh("ip", "addr", "add", OTHER + "/24", "dev", i.dev)
        normal = Normal()
        normal.start()
        p = subprocess.Popen(
            ["slowhttptest", "-c", str(N), "-r", "200", "-i", "1",
             "-l", str(seconds), "-v", "0", "-p", "3"] + list(args),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, cwd=TMP)
        try:
            yield i, normal
            p.wait(seconds + 30)
        finally:
            normal.stop.set()
            normal.join()
            p.kill()
            p.wait()


def web(i):
    return json.loads(i.cli("stats", "--json").stdout)["services"]["web"]


def spared(i, normal):
    """Nobody else was touched, and all memory came back."""
    claim(normal.done > 100 and normal.failed == 0,
          "others: %d answers, %d failures" % (normal.done, normal.failed))
    wait_for("all connections gone", lambda:
             i.counters()["gauge_conns"] == 0, 15)
    c = i.counters()
    equal(c["gauge_chunks_held"], 0, "chunks held")
    equal(c["gauge_pkts_held"], 0, "buffers held")


@test
def slow_heads_end_in_time_and_harm_nobody():
    with besieged("header_timeout_ms = 2000;", "-H", "-u",
                  "http://%s/" % OURS) as (i, normal):
        wait_for("408 for all of them", lambda: web(i)["timeouts"] >= N, 20)
        claim(i.counters()["gauge_chunks_held"] < 20, "chunks held")
        normal.stop.set()
        normal.join()
        spared(i, normal)


@test
def slow_bodies_end_in_time_and_harm_nobody():
    with besieged("body_timeout_ms = 2000; min_rate = 10000;", "-B", "-i",
                  "5", "-s", "100000", "-u", "http://%s/echo" % OURS
                  ) as (i, normal):
        wait_for("408 for all of them", lambda: web(i)["timeouts"] >= N, 20)
        normal.stop.set()
        normal.join()
        spared(i, normal)


@test
def slow_readers_are_reset_and_harm_nobody():
    with besieged("send_timeout_ms = 2000; min_rate = 10000;", "-X",
                  "-w", "512", "-y", "1024", "-n", "1", "-z", "32",
                  "-u", "http://%s/big.bin" % OURS, seconds=10,
                  memory="cache_file_max = 100000; stream_buffers = 8;"
                  ) as (i, normal):
        wait_for("an end of all of them", lambda: web(i)["stalled"] +
                 web(i)["lost"] >= N * 3 // 4, 25)
        normal.stop.set()
        normal.join()
        spared(i, normal)


@test
def range_floods_are_plain_requests():
    with besieged("", "-R", "-t", "GET", "-a", "10", "-b", "3000",
                  "-u", "http://%s/big.bin" % OURS) as (i, normal):
        wait_for("their answers", lambda: web(i)["requests"] >= N, 15)
        claim(web(i)["partial"] == 0, "hundreds of ranges were sent")
        normal.stop.set()
        normal.join()
        spared(i, normal)


@test
def an_address_takes_no_more_than_its_share():
    with besieged("max_conns_per_address = 50; header_timeout_ms = 4000;",
                  "-H", "-u", "http://%s/" % OURS) as (i, normal):
        wait_for("refusals", lambda: web(i)["refused"] >= N - 50, 15)
        claim(i.counters()["gauge_conns"] <= 50 + N, "connections")
        normal.stop.set()
        normal.join()
        spared(i, normal)
