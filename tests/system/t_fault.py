"""Faults made on purpose: they happen, nothing breaks, and services serve all
the same when every send and receive is halved."""
import random

import socket
import threading

import lib
import t_files
import t_http
import t_kv
import t_load
import t_program
import t_ws
from lib import (OURS, TESTS, Instance, claim, connect, echo, equal, kill,
                 test, wait_for)

POINTS = ("rx", "input", "event", "served", "output", "tx")
ALLOWED = "faults = true;"


def exchange(size, seed, seconds=30):
    """Random bytes to the echo service and back."""
    data = random.Random(seed).randbytes(size)
    with connect(7, seconds=seconds) as s:
        t = threading.Thread(target=lambda: (s.sendall(data),
                                             s.shutdown(socket.SHUT_WR)))
        t.start()
        got = b""
        while True:
            part = s.recv(65536)
            if not part:
                break
            got += part
        t.join()
    claim(got == data, "%d of %d bytes, or others" % (len(got), size))


class Talker(threading.Thread):
    """Keeps one connection busy; says how it ended."""

    def __init__(self, n, end):
        super().__init__(daemon=True)
        self.n, self.end, self.resets, self.why = n, end, 0, None

    def run(self):
        rnd, s = random.Random(self.n), None
        while not self.end.is_set():
            try:
                if s is None:
                    s = connect(7, seconds=20)
                data = rnd.randbytes(rnd.randrange(1, 3000))
                s.sendall(data)
                got = b""
                while len(got) < len(data):
                    part = s.recv(65536)
                    if not part:
                        raise ConnectionResetError
                    got += part
                if got != data:
                    self.why = "other bytes"
                    return
            except ConnectionError:
                self.resets += 1
                s = None
            except OSError as e:
                self.why = repr(e)
                return


def is_served_by_another(i, pid):
    w = i.workers()[0]
    if w["state"] == "DEAD":
        i.cli("restart", "0", ok=None)
    return w["pid"] not in (0, pid) and w["state"] == "SERVING"


@test
def faults_are_refused_unless_the_configuration_allows_them():
    with Instance([echo()]) as i:
        p = i.cli("fault", "0", "drop=1", ok=None)
        claim(p.returncode == 1 and "faults = true" in p.stderr, p.stderr)
        equal(i.workers()[0]["faults"], "", "none")
    entry = echo().rstrip()[:-1] + "fault = { split_io = true; }; }"
    p = Instance([entry]).up(ok=None)
    claim(p.returncode != 0 and "faults = true" in p.stdout + p.stderr,
          p.stdout + p.stderr)
    with Instance([entry], extra=ALLOWED) as i:
        equal(i.workers()[0]["faults"], "split_io=true", "as configured")
        claim("split_io=true" in i.cli("status").stdout, "status")
        p = i.cli("fault", "0", "dorp=1", ok=None)
        claim(p.returncode == 1 and "dorp" in p.stderr, p.stderr)
        i.cli("fault", "0", "off")
        equal(i.workers()[0]["faults"], "", "off")


@test
def a_worker_crashes_where_it_is_told_to_and_nobody_notices():
    with Instance([echo()], extra=ALLOWED) as i:
        end = threading.Event()
        talkers = [Talker(n, end) for n in range(6)]
        for t in talkers:
            t.start()
        for point in POINTS:
            pid = i.pids()[0]
            i.cli("fault", "0", "crash=" + point, "after=20")
            wait_for("it ends at " + point,
                     lambda: is_served_by_another(i, pid), 20)
            i.cli("fault", "0", "off")
        w = i.workers()[0]
        claim("SIGILL" in w["last_death"], w["last_death"])
        # a successor that dies while it adopts; the next one adopts again
        pid = i.pids()[0]
        i.cli("fault", "0", "crash=adopt")
        kill(pid)
        wait_for("the one after the next serves",
                 lambda: is_served_by_another(i, pid), 20)
        claim("SIGILL" in i.workers()[0]["last_death"], "died in adopt")
        end.set()
        for t in talkers:
            t.join(30)
            claim(not t.is_alive() and t.why is None, t.why)
        resets = sum(t.resets for t in talkers)
        claim(resets <= len(POINTS) + 2, "%d resets" % resets)
        print("%d resets by %d deaths" % (resets, len(POINTS) + 2))


@test
def a_worker_that_freezes_where_it_is_told_to_is_replaced():
    with Instance([echo()], extra=ALLOWED + " hang_ms = 500;") as i:
        pid = i.pids()[0]
        i.cli("fault", "0", "freeze=event")
        with connect(7) as s:
            s.sendall(b"x")
            wait_for("another one serves",
                     lambda: is_served_by_another(i, pid), 20)
        equal(i.workers()[0]["last_death"], "hung: killed", "death")
        exchange(10000, 1)


@test
def bytes_arrive_right_whatever_happens_to_frames():
    with Instance([echo()], extra=ALLOWED) as i:
        for n, faults in enumerate((
                ["drop=10000"], ["duplicate=200000"], ["reorder=200000"],
                ["corrupt=20000"], ["delay=100000", "delay_us=3000"],
                ["no_buffers=100000"], ["no_chunks=300000"],
                ["drop=3000", "duplicate=50000", "reorder=50000",
                 "corrupt=3000", "delay=50000", "delay_us=2000",
                 "no_buffers=30000", "no_chunks=100000",
                 "split_io=true", "seed=5"])):
            i.cli("fault", "0", "off")
            i.cli("fault", "0", *faults)
            before = i.counters()
            exchange(400_000, n)
            after = i.counters()
            claim(after["fault_frames"] + after["fault_turns"] >
                  before["fault_frames"] + before["fault_turns"],
                  "nothing was done: %s" % faults)
        i.cli("fault", "0", "off")
        before = i.counters()
        exchange(400_000, 99)
        equal(i.counters()["fault_frames"], before["fault_frames"], "off")


# ---- the services' own tests, once more with halves ----

SPLIT = (
    t_files.files_of_all_sizes_arrive_byte_exact,
    t_files.ranges_are_cut_exactly,
    t_files.connections_are_kept_and_requests_pipelined,
    t_files.ten_megabytes_are_echoed_byte_exact,
    t_http.odd_requests_get_the_answers_that_the_rfcs_ask_for,
    t_http.a_half_closed_client_is_answered_at_once,
    t_load.many_clients_echo_at_once,
    t_ws.ws_echo_gives_back_every_message,
    t_ws.ws_connections_outlive_their_worker,
    t_kv.kv_answers_as_it_should,
    t_program.a_program_echoes_level_and_edge_triggered,
)


def halved(fn):
    """The same test with split_io on in every worker."""
    def run():
        lib.FAULT = "split_io = true;"
        fn()
    TESTS[fn.__name__ + "_in_halves"] = run


for _fn in SPLIT:
    halved(_fn)
