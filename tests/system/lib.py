"""What the system tests share: instances, clients, claims.

A test runs in namespaces of its own (see run): its processes, interfaces,
mounts and everything under /run are its own and vanish with it.
"""
import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import time

TESTS = {}
BUILD = os.path.abspath(os.environ.get("BUILD", "build"))
TMP = os.environ.get("SYSTEM_TMP", "/nonexistent")
OURS, HOST = "10.79.0.2", "10.79.0.1"
NR_HUGE = "/proc/sys/vm/nr_hugepages"
_instances = []
FAULT = ""      # group `fault` of every worker entry


class Skip(Exception):
    """The test cannot run here; the text says why."""


def test(fn):
    """Decorator: fn is a test."""
    TESTS[fn.__name__] = fn
    return fn


def claim(ok, what):
    """The test fails unless ok."""
    if not ok:
        raise AssertionError(what)


def equal(got, want, what):
    claim(got == want, "%s: got %r, want %r" % (what, got, want))


def wait_for(what, fn, seconds=10.0, every=0.02):
    """Wait until fn() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        v = fn()
        if v:
            return v
        claim(time.monotonic() < end, "waited %g s for: %s" % (seconds, what))
        time.sleep(every)


def sh(*cmd, ok=(0,), seconds=60, stdin=None, text=True, env=None):
    """Run a program; its exit status must be one of ok (None: any)."""
    p = subprocess.run([str(c) for c in cmd], input=stdin, timeout=seconds,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=text, env=env,
                       stdin=subprocess.DEVNULL if stdin is None else None)
    if ok is not None:
        claim(p.returncode in ok, "%s: exit status %d\n%s%s" % (
            " ".join(str(c) for c in cmd), p.returncode, p.stdout, p.stderr))
    return p


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)


# ---- the machine ----------------------------------------------------------

def nr_hugepages():
    return int(read(NR_HUGE))


def huge_free():
    m = re.search(r"HugePages_Free:\s+(\d+)", read("/proc/meminfo"))
    return int(m.group(1))


def huge_obtainable(want=256):
    """None, or why fewer than want hugepages can be had."""
    if huge_free() >= want:
        return None
    old = nr_hugepages()
    try:
        with open(NR_HUGE, "w") as f:
            f.write(str(old + want))
        got = nr_hugepages()
        with open(NR_HUGE, "w") as f:
            f.write(str(old))
    except OSError as e:
        return "no hugepages: %s: %s" % (NR_HUGE, e.strerror)
    if got < old + want:
        return "no hugepages: only %d of %d can be had" % (got - old, want)
    return None


def enter():
    """
    First thing in the namespaces: /sys and /run of our own, lo up. No
    hugetlbfs: whoever needs it has to see to it, and nobody else's files show.
    """
    for m in reversed(huge_mounts()):
        sh("umount", "-l", m)
    sh("mount", "-t", "sysfs", "sysfs", "/sys")
    sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    sh("ip", "link", "set", "lo", "up")


def leave():
    """Last thing: stop what a test left running, so that pages come back."""
    for i in _instances:
        with contextlib.suppress(Exception):
            if i.running():
                i.down(ok=None)


def show_logs():
    """After a failure: what the instances said."""
    for i in _instances:
        for f in (i.log, *_logs_of(i.name)):
            if os.path.exists(f) and os.path.getsize(f):
                with open(f, errors="replace") as g:
                    print("---- %s\n%s" % (f, g.read()[-6000:]))


def _logs_of(name):
    d = "/run/starfish/" + name
    if not os.path.isdir(d):
        return []
    return [os.path.join(d, f) for f in sorted(os.listdir(d))
            if f.endswith(".log")]


def processes():
    """pid -> name of every process of this namespace but the tests'."""
    out = {}
    for d in os.listdir("/proc"):
        if not d.isdigit() or int(d) in (1, os.getpid()):
            continue
        with contextlib.suppress(OSError):
            stat = read("/proc/%s/stat" % d)
            if stat.rpartition(")")[2].split()[0] != "Z":
                out[int(d)] = stat[stat.index("(") + 1:stat.rindex(")")]
    return out


def cpu_seconds(pid):
    """User and system time that a process has used."""
    f = read("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")


def snapshot():
    """All that an instance could leave behind."""
    files = []
    for top in ["/run"] + huge_mounts():
        for d, _, names in os.walk(top):
            files += [os.path.join(d, n) for n in names]
            files.append(d)
    mounts = [m.split()[1] for m in read("/proc/self/mounts").splitlines()]
    return {
        "processes": sorted(processes().values()),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "mounts": sorted(mounts),
        "files": sorted(f for f in files if keeps(f)),
        "hugepages": nr_hugepages(),
    }


def keeps(path):
    """Directories that may stay: the parents of all instances, and DPDK's."""
    return path not in ("/run", "/run/starfish", "/run/dpdk", "/run/lock")


def huge_mounts():
    return [m.split()[1] for m in read("/proc/self/mounts").splitlines()
            if m.split()[2] == "hugetlbfs"]


# ---- configuration --------------------------------------------------------

def http(name="web", count=2, root="www", extra="", entry=""):
    """A worker entry of the http service."""
    return """{ name = "%s"; service = "http"; ports = [ "tap0" ];
    count = %d; cpus = [ 0, 1 ]; listen = [ "%s:80" ]; %s
    http = { root = "%s"; echo = "/echo"; %s }; }""" % (
        name, count, OURS, entry, os.path.join(TMP, root), extra)


def echo(name="echo", count=1, port=7, mode="echo"):
    """A worker entry of the echo service."""
    return """{ name = "%s"; service = "echo"; ports = [ "tap0" ];
    count = %d; cpus = [ 1 ]; listen = [ "%s:%d" ];
    echo = { mode = "%s"; }; }""" % (name, count, OURS, port, mode)


def conf(name, workers, ports=None, memory="", extra="", net="10.79.0"):
    """The text of a configuration file."""
    if ports is None:
        ports = """{ name = "tap0"; type = "tap"; device = "%s";
    host = "%s.1/24"; address = [ "%s.2/24" ]; }""" % (
            "sf-" + name[-8:], net, net)
    if FAULT:
        extra += " faults = true;"
        workers = [w.rstrip()[:-1] + " fault = { %s }; }" % FAULT
                   for w in workers]
    text = """name = "%s";
%s
memory = { buffers = 4096; connections = 4096; chunks = 2048; cache_mb = 64;
    %s };
ports = ( %s );
workers = ( %s );
""" % (name, extra, memory, ports, ",\n".join(workers))
    return text if net == "10.79.0" else text.replace(OURS, net + ".2")


# ---- instances ------------------------------------------------------------

def starfish(*args, ok=(0,), **kw):
    return sh(BUILD + "/bin/starfish", *args, ok=ok, **kw)


class Instance:
    """One instance, from a configuration's text."""

    def __init__(self, workers=None, name=None, text=None, **kw):
        # unlike any other's: hugepage files may lie on a shared mount
        self.name = name or "t%s%d" % (
            TMP[-6:].replace("_", "x"), len(_instances))
        if workers is None:
            workers = [http()]
        self.file = os.path.join(TMP, self.name + ".conf")
        self.log = os.path.join(TMP, self.name + ".out")
        write(self.file, text or conf(self.name, workers, **kw))
        self.dev = "sf-" + self.name[-8:]
        _instances.append(self)

    def up(self, ok=(0,)):
        p = starfish("up", "-c", self.file, "--detach", ok=None)
        with open(self.log, "a") as f:
            f.write(p.stdout + p.stderr)
        claim(ok is None or p.returncode in ok,
              "up: exit status %d\n%s%s" % (p.returncode, p.stdout, p.stderr))
        return p

    def cli(self, *args, ok=(0,)):
        return starfish("-n", self.name, *args, ok=ok)

    def down(self, ok=(0,)):
        return self.cli("down", ok=ok)

    def running(self):
        return os.path.exists("/run/starfish/%s/board" % self.name)

    def status(self, ok=(0, 1)):
        return json.loads(self.cli("status", "--json", ok=ok).stdout)

    def workers(self):
        return self.status()["workers"]

    def pids(self):
        return {w["slot"]: w["pid"] for w in self.workers()}

    def well(self):
        return self.cli("status", ok=None).returncode == 0

    def replaced(self, slot, pid):
        """Whether another process than pid serves the slot, and all is well.
        In this order: before a death is seen, all is well, too."""
        w = self.workers()[slot]
        return (w["state"] == "SERVING" and w["pid"] not in (0, pid) and
                self.well())

    def counters(self):
        """Counters of all slots, summed; drops as drop_NAME."""
        r = json.loads(self.cli("stats", "--json").stdout)
        out = dict(r["counters"])
        out.update(("drop_" + k, v) for k, v in r["drops"].items())
        out.update(("gauge_" + k, v) for k, v in r["levels"].items())
        return out

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *exc):
        if exc[0] is None:
            self.down()
        return False


# ---- clients --------------------------------------------------------------

def curl(*args, ok=(0,)):
    """curl, silent, with a time limit; output as bytes."""
    return sh("curl", "-sS", "-m", "30", *args, ok=ok, text=False)


def url(path, host=OURS):
    return "http://%s%s" % (host, path)


@contextlib.contextmanager
def nginx(port=8090):
    """nginx on the kernel, with TMP/www: (URL, pid of its worker)."""
    conf = TMP + "/nginx.conf"
    write(conf, """daemon off; worker_processes 1; user root;
pid %(t)s/nginx.pid; error_log %(t)s/nginx.log;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000;
    client_body_temp_path %(t)s/t1; proxy_temp_path %(t)s/t2;
    fastcgi_temp_path %(t)s/t3; uwsgi_temp_path %(t)s/t4;
    scgi_temp_path %(t)s/t5;
    server { listen %(p)d; listen [::]:%(p)d; root %(t)s/www; } }
""" % {"t": TMP, "p": port})
    p = subprocess.Popen(["nginx", "-p", TMP, "-c", conf])
    try:
        kids = "/proc/%d/task/%d/children" % (p.pid, p.pid)
        wait_for("nginx", lambda: read(kids).split() and
                 sh("curl", "-s", "-o", "/dev/null",
                    "http://127.0.0.1:%d/" % port, ok=None).returncode == 0)
        yield "http://localhost:%d" % port, int(read(kids).split()[0])
    finally:
        p.terminate()
        p.wait()


def connect(port=80, host=OURS, seconds=5):
    s = socket.create_connection((host, port), timeout=seconds)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


class Reply:
    """One HTTP answer, read from a raw socket."""

    def __init__(self, sock, buf=b"", head_only=False):
        while b"\r\n\r\n" not in buf:
            got = sock.recv(65536)
            claim(got, "connection closed in a head: %r" % buf[:200])
            buf += got
        head, _, rest = buf.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.head = lines[0]
        self.fields = {}
        for line in lines[1:]:
            k, _, v = line.partition(":")
            self.fields[k.lower()] = v.strip()
        n = int(self.fields.get("content-length", 0))
        if head_only or self.status in (204, 304):
            n = 0
        while len(rest) < n:
            got = sock.recv(65536)
            claim(got, "connection closed after %d of %d bytes" %
                  (len(rest), n))
            rest += got
        self.body, self.rest = rest[:n], rest[n:]


def ask(request, head_only=False, port=80):
    """One request as raw bytes on a connection of its own."""
    with connect(port) as s:
        # An answer may come, and the connection end, before all is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            s.sendall(request)
        return Reply(s, head_only=head_only)


def get(path, *fields, method="GET", version="HTTP/1.1", body=b""):
    """A GET or another request with extra header lines."""
    lines = ["%s %s %s" % (method, path, version), "Host: " + OURS]
    req = "\r\n".join(lines + list(fields)) + "\r\n\r\n"
    return ask(req.encode() + body, head_only=method == "HEAD")


def wait_deaths(pids, seconds):
    """Wait until all are dead; returns the pids in the order of death."""
    order, fds, poll = [], {}, select.poll()
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            order.append(pid)
            continue
        fds[fd] = pid
        poll.register(fd, select.POLLIN)
    end = time.monotonic() + seconds
    while fds:
        left = end - time.monotonic()
        claim(left > 0, "still alive: %s" % sorted(fds.values()))
        for fd, _ in poll.poll(left * 1000):
            order.append(fds.pop(fd))
            poll.unregister(fd)
            os.close(fd)
    return order


def kill(pid, sig=signal.SIGKILL):
    os.kill(pid, sig)
