"""The drill, a short one: what clients lose when workers die."""
import json

from lib import claim, equal, starfish, test


@test
def a_short_drill_loses_no_more_than_it_may():
    p = starfish("drill", "--kills", "6", "--hangs", "1", "--adds", "1",
                 "--upgrades", "1", "--supervisor-kills", "1",
                 "--connections", "720", "--json", ok=None, seconds=110)
    print(p.stderr)
    r = json.loads(p.stdout)
    print(p.stdout)
    equal(r["kills"], 6, "kills")
    for kind, n in (("hang", 1), ("add and remove", 1), ("upgrade", 1),
                    ("supervisor kill", 1)):
        equal(r["events"][kind]["done"], n, kind)
    equal(r["buffers_lost"], 0, "buffers lost")
    claim(r["connections_lost"] <= 7, "at most the one in hand of each: %s" %
          r["lost"])
    for kind in ("add and remove", "upgrade", "supervisor kill"):
        equal(r["events"][kind]["lost"], 0, "lost by " + kind)
    equal(r["lost"]["wrong"], 0, "wrong bytes")
    claim(r["least_active"] >= 200, "active connections at each kill")
    claim(r["bytes_verified"] > 1 << 20, "bytes verified")
    claim(set(r["silence_ms"]) == {"p50", "p99", "max"}, "silence")
    equal(p.returncode, 0, "exit status")


@test
def the_drill_refuses_what_it_does_not_know():
    for args, want in ((["--kills", "many"], "allowed 0 to 4096"),
                       (["--workers", "9"], "allowed 1 to 3"),
                       (["--kill", "3", "more"], "too many words"),
                       (["--frobnicate"], "usage: starfish drill")):
        p = starfish("drill", *args, ok=(1,))
        claim(want in p.stderr, "%s: %s" % (args, p.stderr))
