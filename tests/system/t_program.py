"""Programs with a loop of their own, on <starfish.h>: the shipped example."""
import os
import random
import re
import select
import socket
import threading

from lib import (BUILD, HOST, OURS, TMP, Instance, claim, connect, equal,
                 kill, read, test, wait_for, write)


def entry(args="", listen='"%s:7"' % OURS, path=None):
    """A worker entry of the example."""
    return """{ name = "mine"; service = "program"; ports = [ "tap0" ];
    cpus = [ 1 ]; listen = [ %s ];
    program = { path = "%s"; args = [ %s ]; }; }""" % (
        listen, path or BUILD + "/examples/epoll_echo", args)


class Server(threading.Thread):
    """The kernel's end of tests/system/calls.c."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("", 9000))

    def run(self):
        while True:
            s, _ = self.sock.accept()
            threading.Thread(target=self.serve, args=[s], daemon=True).start()

    @staticmethod
    def serve(s):
        f = s.makefile("rb")
        while True:
            line = f.readline()
            if not line:
                s.close()
                return
            s.sendall(f.read(int(line)))


def exchange(size, seed, half_close=True, slow=False):
    """Send random bytes, read them back, compare."""
    data = random.Random(seed).randbytes(size)
    with connect(7, seconds=20) as s:
        if slow:        # a small window: the program's writes are partial
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def send():
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
        t = threading.Thread(target=send)
        t.start()
        got = bytearray()
        while len(got) < size or half_close:
            part = s.recv(1500 if slow else 65536)
            if not part:
                break
            got += part
        t.join()
    claim(bytes(got) == data, "%d of %d bytes, or others" % (len(got), size))


def echoes():
    """All that an echo server can be asked."""
    exchange(1, 1)
    exchange(3_000_000, 2)
    exchange(1_000_000, 3, slow=True)
    exchange(100_000, 4, half_close=False)
    many = [connect(7) for _ in range(300)]
    for n, s in enumerate(many):
        s.sendall(b"%d" % n)
    for n, s in enumerate(many):
        got = b""
        while len(got) < len(b"%d" % n):
            got += s.recv(100) or b"the end"
        equal(got, b"%d" % n, "client %d" % n)
        s.close()


@test
def a_program_echoes_level_and_edge_triggered():
    for args in ("", '"-e"'):
        with Instance([entry(args)]) as i:
            echoes()
            w = i.workers()[0]
            equal(w["service"], "program", "status")
            wait_for("all are closed", lambda:
                     i.counters()["gauge_conns"] == 0)


@test
def a_program_hears_datagrams():
    with Instance([entry('"-u"', '"%s:7", "udp:%s:7"' % (OURS, OURS))]):
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        u.settimeout(5)
        u.connect((OURS, 7))
        for n in (0, 1, 1400, 8000):
            data = random.Random(n).randbytes(n)
            u.send(data)
            equal(u.recv(65536), data, "%d bytes" % n)
        exchange(1000, 1)


@test
def clients_of_a_killed_program_are_reset_and_it_starts_again():
    with Instance([entry('"-e"')]) as i:
        for n in range(3):
            many = [connect(7) for _ in range(50)]
            for s in many:
                s.sendall(b"x")
                equal(s.recv(10), b"x", "before")
            kill(i.pids()[0])
            # no peer is left hanging: a reset, without that it sends
            poll = select.poll()
            for s in many:
                poll.register(s, select.POLLIN)
            for s in many:
                s.settimeout(10)
                try:
                    equal(s.recv(10), "nothing", "after the kill")
                except ConnectionResetError:
                    pass
                s.close()
            wait_for("it serves again", i.well)
            exchange(10_000, n)
        claim(i.status()["workers"][0]["epoch"] >= 4, "epochs")


@test
def a_program_ends_in_order():
    i = Instance([entry()])
    i.up()
    with connect(7) as s:
        s.sendall(b"x")
        equal(s.recv(10), b"x", "before")
        i.down()
        equal(s.recv(10), b"", "the end, not a reset")


@test
def a_program_that_hangs_is_killed_and_replaced():
    """It stops turning: hang_ms bounds that, as for any worker."""
    with Instance([entry()], extra="hang_ms = 500;") as i:
        pid = i.pids()[0]
        kill(pid, 19)
        wait_for("another sits there", lambda: i.pids()[0] not in (pid, 0))
        wait_for("it serves", i.well)
        exchange(1000, 1)


@test
def a_program_that_cannot_be_started_is_named():
    i = Instance([entry(path="/nowhere/at/all")])
    p = i.up(ok=None)
    claim(p.returncode != 0 and "/nowhere/at/all" in p.stdout + p.stderr,
          p.stdout + p.stderr)
    i = Instance([entry(path="/bin/false")])
    p = i.up(ok=None)
    claim(p.returncode != 0, "false serves nothing")


@test
def calls_are_as_the_header_says():
    names = set(re.findall(r"\bsf_\w+(?=\()", read("secondary/starfish.h")))
    tried = set(re.findall(r"\bsf_\w+(?=\()", read("tests/system/calls.c")))
    equal(sorted(names - tried), [], "calls that are not tried")
    write(TMP + "/files/hello.txt", "hello from a file\n" * 100)
    i = Instance(["""{ name = "mine"; service = "program";
    ports = [ "tap0" ]; program = { path = "%s/test/system/calls";
    args = [ "%s", "9000" ]; root = "%s/files"; }; }""" % (
        BUILD, HOST, TMP)])
    Server().start()
    i.up()
    log = "/run/starfish/%s/worker-0.log" % i.name
    wait_for("its end", lambda: "calls: " in read(log), 30)
    claim("all as promised" in read(log), read(log))
    wait_for("its slot is empty, it is done", lambda: "EMPTY" in
             i.workers()[0]["state"])
    i.down()
