"""Mistakes of a user: each is named, with file and line, and leaves nothing."""
import os
import re

from lib import (HOST, Instance, TMP, claim, conf, echo, equal, get, http, sh,
                 snapshot, starfish, test, wait_for, write, nr_hugepages)
from t_files import content, www

GOOD = """name = "cfg";
memory = {
    buffers = 4096;
    connections = 4096;
};
tcp = {
    delack_ms = 40;
};
ports = ( {
    name = "tap0";
    type = "tap";
    device = "sfcfg";
    host = "10.79.0.1/24";
    address = [ "10.79.0.2/24" ];
} );
workers = ( {
    name = "web";
    service = "http";
    ports = [ "tap0" ];
    listen = [ "10.79.0.2:80" ];
    count = 1;
    cpus = [ 0 ];
    http = {
        root = "%s/www";
    };
} );
"""

# line as it is, line as it should not be, what the message must hold
MISTAKES = (
    ("    buffers = 4096;", "    bufers = 4096;", "bufers"),
    ("    buffers = 4096;", "    buffers = 12;", "2048"),
    ("    buffers = 4096;", "    buffers = -1;", "-1"),
    ("    buffers = 4096;", "    buffers = 99999999999L;", "99999999999"),
    ("    buffers = 4096;", '    buffers = "many";', "many"),
    ("    buffers = 4096;", "    buffers = ;", ""),
    ("    delack_ms = 40;", "    delack_ms = 3.5;", "delack_ms"),
    ('    type = "tap";', '    type = "tab";', "wire"),
    ('    type = "tap";', '    type = "tap"; type = "tap";', ""),
    ('    device = "sfcfg";', '    device = "far-too-long-interface";', ""),
    ('    host = "10.79.0.1/24";', '    host = "10.79.0.1/33";', "33"),
    ('    address = [ "10.79.0.2/24" ];', '    address = [ "10.79.0/24" ];',
     "10.79.0/24"),
    ('    address = [ "10.79.0.2/24" ];', "    address = 7;", "address"),
    ('    address = [ "10.79.0.2/24" ];',
     '    address = [ "10.79.0.2/24" ]; queues = 5;', "4"),
    ('    address = [ "10.79.0.2/24" ];',
     '    address = [ "10.79.0.2/24" ]; mtu = 100;', "576"),
    ('    service = "http";', '    service = "htpp";', "http"),
    ('    ports = [ "tap0" ];', '    ports = [ "tap1" ];', "tap1"),
    ('    ports = [ "tap0" ];', '    ports = [ 7 ];', "ports"),
    ('    listen = [ "10.79.0.2:80" ];', '    listen = [ "10.79.0.2" ];',
     "10.79.0.2"),
    ('    listen = [ "10.79.0.2:80" ];',
     '    listen = [ "10.79.0.2:70000" ];', "70000"),
    ('    listen = [ "10.79.0.2:80" ];',
     '    listen = [ "10.79.0.2:80" ]; after = [ "nobody" ];', "nobody"),
    ('    listen = [ "10.79.0.2:80" ];',
     '    listen = [ "10.79.0.2:80" ]; after = [ "web" ];', "web"),
    ("    count = 1;", "    count = 0;", "1"),
    ("    count = 1;", "    count = 17;", "16"),
    ("    cpus = [ 0 ];", "    cpus = [ 4000 ];", "1023"),
    ('        root = "%s/www";', "        root = 7;", "root"),
    ('        root = "%s/www";', '        hosts = [ "a=%s/www", "A=%s/www" ];',
     "hosts: a name stands twice"),
    ('        root = "%s/www";', '        echo = "/x"; ws = "/x";',
     "ws: echo is the same path"),
    ('        root = "%s/www";', '        rood = "/";', "rood"),
)


def check(text):
    """(exit status, message) of `config check` on this text."""
    path = TMP + "/wrong.conf"
    write(path, text)
    p = starfish("config", "check", path, ok=None)
    return p.returncode, p.stdout + p.stderr


@test
def mistakes_name_file_line_and_what_is_allowed():
    www()
    status, out = check(GOOD % TMP)
    equal(status, 0, "the right file: " + out)
    for right, wrong, word in MISTAKES:
        claim(right in GOOD, right)
        line = GOOD[:GOOD.index(right)].count("\n") + 1
        text = GOOD.replace(right, wrong).replace("%s", TMP)
        status, out = check(text)
        claim(status != 0, "%r is accepted" % wrong)
        m = re.search(re.escape(TMP + "/wrong.conf") + r":(\d+)", out)
        claim(m, "%r: no file:line in: %s" % (wrong, out))
        # a missing semicolon shows on the following line; a fault of the
        # whole entry on its first one
        claim(line - 3 <= int(m.group(1)) <= line + 1,
              "%r: line %s, not %d: %s" % (wrong, m.group(1), line, out))
        claim(word in out, "%r: %r not in: %s" % (wrong, word, out))


@test
def wrong_files_start_nothing():
    www()
    before = snapshot()
    cases = [
        ("no such file", TMP + "/none.conf", None),
        ("empty", TMP + "/empty.conf", ""),
        ("binary", TMP + "/bin.conf", bytes(range(256)) * 64),
        ("a directory", TMP, None),
        ("two tables of one address", TMP + "/twice.conf",
         conf("twice", [http("a", 1), http("b", 1)])),
        ("no workers", TMP + "/idle.conf", conf("idle", [])),
    ]
    for what, path, text in cases:
        if text is not None:
            write(path, text)
        p = starfish("up", "-c", path, "--detach", ok=None)
        claim(p.returncode != 0, what + " is accepted")
        claim((p.stdout + p.stderr).strip(), what + ": says nothing")
        claim("assert" not in (p.stdout + p.stderr).lower(), what)
        equal(snapshot(), before, what + " leaves something")


@test
def two_slots_on_one_cpu_are_a_warning():
    www()
    path = TMP + "/warn.conf"
    write(path, conf("warn", [http(count=3)]))
    p = starfish("config", "check", path)
    claim("cpu" in (p.stdout + p.stderr).lower(),
          "a warning: " + p.stdout + p.stderr)


@test
def a_taken_interface_is_named():
    www()
    i = Instance()
    sh("ip", "tuntap", "add", "dev", i.dev, "mode", "tap", "multi_queue")
    sh("ip", "link", "set", i.dev, "up")
    before = snapshot()
    p = i.up(ok=None)
    claim(p.returncode != 0, "up must fail")
    claim(i.dev in p.stdout + p.stderr, "names the interface: " +
          p.stdout + p.stderr)
    equal(snapshot(), before, "nothing left, the interface stays")
    sh("ip", "link", "del", i.dev)
    sh("ip", "link", "add", i.dev, "type", "veth", "peer", "name", "other")
    before = snapshot()
    p = i.up(ok=None)
    claim(p.returncode != 0 and i.dev in p.stdout + p.stderr,
          "a veth of that name: " + p.stdout + p.stderr)
    equal(snapshot(), before, "nothing left")
    sh("ip", "link", "del", i.dev)
    with i:
        equal(get("/f64.bin").status, 200, "and then it starts")


@test
def missing_hugepages_are_one_clear_line():
    www()
    # more than the machine has: the kernel gives what it can
    i = Instance(memory="hugepages_mb = 1000000;")
    before = snapshot()
    p = i.up(ok=None)
    out = p.stdout + p.stderr
    claim(p.returncode != 0, "up must fail")
    claim("hugepage" in out.lower(), "says what is missing: " + out)
    claim(re.search(r"\d+", out), "with numbers: " + out)
    wait_for("pages are given back",
             lambda: nr_hugepages() == before["hugepages"], 5)
    equal(snapshot(), before, "nothing left")
    # a mount that has none to give
    d = TMP + "/huge"
    os.mkdir(d)
    sh("mount", "-t", "hugetlbfs", "-o", "size=2M", "none", d)
    i = Instance(memory='huge_dir = "%s";' % d)
    before = snapshot()
    p = i.up(ok=None)
    claim(p.returncode != 0, "up on an exhausted mount must fail")
    claim("huge" in (p.stdout + p.stderr).lower(), p.stdout + p.stderr)
    wait_for("pages are given back",
             lambda: nr_hugepages() == before["hugepages"], 5)
    equal(snapshot(), before, "nothing left")


@test
def a_missing_document_root_is_named():
    www()
    i = Instance([http(root="nowhere")])
    before = snapshot()
    p = i.up(ok=None)
    out = p.stdout + p.stderr
    claim(p.returncode != 0, "up must fail")
    claim(TMP + "/nowhere" in out, "names the root: " + out)
    claim("No such file" in out or "not exist" in out or "missing" in out,
          "says why: " + out)
    equal(snapshot(), before, "nothing left")
    i = Instance([http(root="www/index.html")])
    p = i.up(ok=None)
    claim(p.returncode != 0 and "/www/index.html" in p.stdout + p.stderr,
          "a file is no root: " + p.stdout + p.stderr)
    equal(snapshot(), before, "nothing left")


@test
def an_unreadable_document_root_is_named():
    www()
    sh("chown", "-R", "nobody", TMP + "/www")
    os.chmod(TMP + "/www", 0o700)
    i = Instance()
    before = snapshot()
    # root without the right to read what is not its own
    drop = "-dac_override,-dac_read_search"
    p = sh("setpriv", "--bounding-set", drop, "--inh-caps", drop, "--",
           os.environ["BUILD"] + "/bin/starfish", "up", "-c", i.file,
           "--detach", ok=None)
    out = p.stdout + p.stderr
    claim(p.returncode != 0, "up must fail: " + out)
    claim(TMP + "/www" in out and "denied" in out.lower(), out)
    equal(snapshot(), before, "nothing left")


@test
def an_oversized_document_root_says_sizes():
    www((64,))
    write(TMP + "/www/big.bin", content(1000) * 9000)       # 9 MB
    text = conf("big", [http()]).replace("cache_mb = 64", "cache_mb = 4")
    i = Instance(name="big", text=text)
    before = snapshot()
    p = i.up(ok=None)
    out = p.stdout + p.stderr
    claim(p.returncode != 0, "up must fail")
    claim(TMP + "/www" in out, "names the root: " + out)
    claim(re.search(r"\b9(\.\d+)? MB", out) and re.search(r"\b4\b", out),
          "says what is needed and what there is: " + out)
    equal(snapshot(), before, "nothing left")


@test
def a_user_without_rights_is_told_so():
    www()
    i = Instance()
    os.chmod(TMP, 0o755)
    p = sh("setpriv", "--reuid", "65534", "--regid", "65534",
           "--clear-groups", "--", os.environ["BUILD"] + "/bin/starfish",
           "up", "-c", i.file, "--detach", ok=None)
    out = (p.stdout + p.stderr).strip()
    claim(p.returncode != 0, "up must fail")
    claim("root" in out or "run:" in out, "says what to run: " + out)
    claim(len(out.splitlines()) <= 2, "in one line: " + out)
    with Instance([http(), echo()]):
        claim(HOST in sh("ip", "address").stdout, "the host's own address")
