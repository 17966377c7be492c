"""A process that did not run for a while: what was sent to it is read before
it judges what is late."""
import json
import os
import signal
import time

from lib import Instance, TMP, claim, equal, read, test, wait_for
from t_files import www
from t_lanes import WIRE


def slot_counters(i, slot):
    r = json.loads(i.cli("stats", str(slot), "--json").stdout)
    return r["counters"]


def run_delay_ms(i):
    """How long its workers wanted a processor and had none."""
    return sum(int(read("/proc/%d/schedstat" % p).split()[1])
               for p in i.pids().values()) // 1000000


@test
def a_late_worker_sends_nothing_again():
    """RFC 6298 (5.3): the ACKs lie in the queue when the timers are due."""
    www((64,))
    i = Instance(name="late", text=WIRE % {
        "name": "late", "root": TMP, "path": "/f64.bin", "port": 80,
        "more": "flows = 512; concurrency = 512; keep_alive = 1000000;"
                "duration_s = 30; timeout_ms = 60000;"})
    i.up()
    wait_for("traffic", lambda: slot_counters(i, 0)["tcp_in"] > 10000, 20)
    pid = i.pids()[0]
    for left in (2, 1, 0):
        before, waited = slot_counters(i, 0), run_delay_ms(i)
        for _ in range(6):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.3)
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.3)
        now, waited = slot_counters(i, 0), run_delay_ms(i) - waited
        again = {k: now[k] - before[k] for k in ("tcp_rto", "tcp_retrans")}
        print("sent again: %r; workers waited %d ms for a processor" %
              (again, waited))
        claim(i.pids()[0] == pid, "nobody took it for dead")
        if not any(again.values()):
            break
        # a peer that got no processor for 2 ms is late in earnest: not
        # three times, unless nobody gets any
        claim(left or waited > 100, "what the late one sent again: %r, "
              "while workers waited %d ms for a processor" % (again, waited))
    i.down()
