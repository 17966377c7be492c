"""Several workers and groups on one port: who gets what."""
import threading

from lib import (Instance, OURS, Reply, claim, connect, echo, equal, http,
                 test, wait_for)
from t_files import content, www

CONNS = 2000


def balanced(count):
    """count workers, 2,000 connections: all work, none is overloaded."""
    www()
    with Instance([http(count=count)]) as i:
        socks = [connect() for _ in range(CONNS)]
        wait_for("%d connections" % CONNS, lambda: sum(
            w["connections"] for w in i.workers()) == CONNS)
        conns = [w["connections"] for w in i.workers()]
        print("connections per worker:", conns)
        equal(len(conns), count, "workers")
        mean = CONNS / count
        for c in conns:
            claim(0.7 * mean <= c <= 1.3 * mean,
                  "%s are not within 0.7 and 1.3 of %g" % (conns, mean))
        want = content(64)
        for k in range(0, CONNS, 100):
            part = socks[k:k + 100]
            for s in part:
                s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
            for s in part:
                equal(Reply(s).body, want, "every connection works")
        for s in socks:
            s.close()


@test
def one_worker_serves_two_thousand():
    balanced(1)


@test
def two_workers_share_two_thousand():
    balanced(2)


@test
def three_workers_share_two_thousand():
    balanced(3)


@test
def four_workers_share_two_thousand():
    balanced(4)


def echo_client(n, errors):
    data = content(20000)
    for k in range(n):
        with connect(7) as s:
            s.sendall(data)
            s.shutdown(1)
            got = b""
            while True:
                part = s.recv(65536)
                if not part:
                    break
                got += part
            if got != data:
                errors.append("echo %d: %d bytes" % (k, len(got)))


@test
def http_and_echo_share_one_port():
    www((5000,))
    want = content(5000)
    with Instance([http(count=2), echo(count=1)]) as i:
        errors = []
        t = threading.Thread(target=echo_client, args=(100, errors))
        t.start()
        for _ in range(200):
            with connect() as s:
                s.sendall(b"GET /f5000.bin HTTP/1.1\r\nHost: h\r\n\r\n")
                claim(Reply(s).body == want, "http beside echo")
        t.join(60)
        equal(errors, [], "echo beside http")
        both = [connect(80), connect(7)]
        wait_for("each is in its own group", lambda: {
            w["service"] for w in i.workers() if w["connections"]} ==
            {"http", "echo"})
        for s in both:
            s.close()
        try:
            connect(81)
            claim(False, "a port of no group accepts")
        except ConnectionRefusedError:
            pass


@test
def frames_for_another_worker_are_handed_over():
    """The kernel spreads flows over queues by a hash of its own."""
    www()
    with Instance([http(count=2)]) as i:
        before = i.counters()
        for _ in range(200):
            with connect(host=OURS) as s:
                s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
                equal(Reply(s).status, 200, "status")
        after = i.counters()

        def grew(k):
            return after[k] - before[k]
        equal(grew("tcp_opened_passive"), 200, "connections opened")
        equal(grew("handed_off"), grew("handed_in"), "none lost on the way")
        equal(grew("drop_ring_full"), 0, "no ring was full")
