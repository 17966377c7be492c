"""starfish wget against servers on the kernel, right ones and bad ones."""
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

import bad_server
from lib import (BUILD, Instance, OURS, TMP, claim, equal, http, kill, nginx,
                 read, snapshot, starfish, test, wait_for)
from t_files import www

HERE = os.path.dirname(os.path.abspath(__file__))


@contextlib.contextmanager
def bad(port=8080, addr="::"):
    """bad_server.py, on all addresses."""
    p = subprocess.Popen([sys.executable, HERE + "/bad_server.py", addr,
                          str(port)])
    try:
        wait_for("the bad server", lambda: answers(port))
        yield "http://localhost:%d" % port
    finally:
        p.terminate()
        p.wait()


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def wget(*args, ok=(0,)):
    """starfish wget --json: its result."""
    p = starfish("wget", *args, "--json", ok=ok, seconds=60)
    return json.loads(p.stdout)


def wget_busy(url):
    """Exit status of a wget while the load clients are in use."""
    return starfish("wget", "-n", "loads", url, ok=None).returncode


RESTING = """{ name = "load"; service = "wget"; ports = [ "tap0" ];
    count = %d; wget = { }; }"""

# path -> the errors that it causes, of 6 requests on 3 flows
BAD = {
    "/short": {"short_body": 3},
    "/long": {"extra_bytes": 3, "wrong_content": 3},
    "/early": {"early_close": 3}, "/half": {"early_close": 3},
    "/endless": {"oversize_head": 3}, "/chunk": {"bad_chunk": 3},
    "/cut": {"short_body": 3}, "/garbage": {"not_http": 3},
    "/field": {"bad_header": 3}, "/lengths": {"bad_length": 3},
    "/coding": {"bad_coding": 3}, "/status": {"bad_status": 6},
    "/reset": {"reset": 3}, "/slow": {"timeout": 3},
    "/other": {"wrong_content": 6}, "/good": {}, "/chunked": {},
}


@test
def wget_names_what_a_bad_server_does():
    sha = hashlib.sha256(bad_server.BODY).hexdigest()
    # a running instance with two load clients at rest
    with Instance([RESTING % 2], name="loads") as i, bad() as server:
        url = server.replace("localhost", "10.79.0.1")
        for path, want in BAD.items():
            r = wget(url + path, "--flows", 3, "--keep-alive", 2,
                     "--concurrency", 2, "--timeout-ms", 1000,
                     "--verify", sha, ok=(1 if want else 0,))
            got = {k: v for k, v in r["errors"].items() if v}
            equal(got, want, path)
            if not want:
                equal((r["responses"], r["verified"], r["done"]), (6, 6, 3),
                      path)
        # HTTP/1.0, the body ends with the connection
        r = wget(url + "/one.0", "--flows", 3, "--verify", sha)
        equal((r["responses"], r["verified"]), (3, 3), "HTTP/1.0")
        r = wget(url + "/changes", "--flows", 2, "--keep-alive", 4, ok=(1,))
        equal(r["mismatched"], 4, "answers of another size")
        # nobody listens; and what makes no sense is refused
        r = wget(url.replace("8080", "8081"), "--flows", 2, ok=(1,))
        equal(r["errors"]["connection_refused"], 2, "nobody listens")
        for args in (["ftp://x/"], ["http://10.79.0.1/a b"],
                     [url, "--flows", "-1"], [url, "--none"], [],
                     [url, "--duration", "0", "--flows", "0"],
                     ["http://no.such.host.invalid/"],
                     [url, "--save", "/tmp/x"]):
            p = starfish("wget", *args, ok=(2,))
            claim("wget" in p.stderr, "%s: %s" % (args, p.stderr))
        claim(i.well(), "the instance is well")
        # it goes down in the middle of a run
        p = subprocess.Popen([BUILD + "/bin/starfish", "wget", url + "/good",
                              "--duration", "60", "--rate", "50"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        p.stdout.readline()
        p.stdout.readline()
        equal(wget_busy(url), 2, "one at a time")
        i.down()
        out, err = p.communicate(timeout=20)
        equal(p.returncode, 2, out + err)
        claim("gone" in err, err)
        i.up()


@test
def wget_brings_up_an_instance_of_its_own():
    before = snapshot()
    out = TMP + "/out"
    with bad() as url:
        r = wget(url + "/chunked", "--flows", 40, "--concurrency", 8,
                 "--keep-alive", 3, "--workers", 2, "--save", out)
        equal((r["workers"], r["responses"], r["saved"]), (2, 120, 120),
              "two workers share the work")
        equal(r["whole_us"]["n"], 120, "samples of both")
        equal(sorted(os.listdir(out)), sorted(
            "chunked.%d.%d" % (f, k) for f in range(1, 41)
            for k in (1, 2, 3)), "files")
        for f in os.listdir(out):
            with open(out + "/" + f, "rb") as g:
                equal(g.read(), bad_server.BODY, f)
        with open(TMP + "/right", "wb") as f:
            f.write(bad_server.BODY)
        # one file keeps its name; half a file is none
        r = wget(url + "/good", "--save", TMP + "/one", "--verify",
                 TMP + "/right")
        equal((r["saved"], r["verified"]), (1, 1), "saved and verified")
        wget(url + "/short", "--save", TMP + "/one", ok=(1,))
        equal(os.listdir(TMP + "/one"), ["good"], "only whole files")
        r = wget(url.replace("localhost", "[::1]") + "/good", "--flows", 5,
                 "--verify", TMP + "/right")
        equal(r["verified"], 5, "over IPv6")
        # a file that cannot be written is an error
        os.mkdir(TMP + "/one/good.part")
        r = wget(url + "/good", "--save", TMP + "/one", ok=(1,))
        claim(r["errors"]["not_saved"] > 0, "not saved")
        # ^C: the table of what there was, and nothing stays
        p = subprocess.Popen([BUILD + "/bin/starfish", "wget", url + "/good",
                              "--duration", "60", "--rate", "50"],
                             stdout=subprocess.PIPE, text=True)
        p.stdout.readline()
        line = p.stdout.readline()      # of the first second
        claim("connects" in line and "errors none" in line, line)
        p.send_signal(signal.SIGINT)
        rest = p.communicate(timeout=20)[0]
        claim("first byte" in rest and "requests/s" in rest, rest)
        equal(p.returncode, 1, "it was cut short")
    equal(snapshot(), before, "what is left")


@test
def wget_reaches_another_instance():
    www((3000,))
    port = """{ name = "tap0"; type = "tap"; device = "sf-web";
    host = "10.79.0.1/24"; address = [ "10.79.0.2/24" ]; %s }"""
    with Instance([http()], name="web", ports=port % ""):
        p = starfish("wget", "http://%s/f3000.bin" % OURS, "--timeout-ms",
                     "500", ok=(1,))
        claim("has no gateway" in p.stderr, p.stderr)
    with Instance([http()], name="web",
                  ports=port % 'gateway = "10.79.0.1";'):
        way = "/proc/sys/net/ipv4/conf/sf-web/forwarding"
        equal(read(way), "0\n", "forwarding before")
        r = wget("http://%s/f3000.bin" % OURS, "--flows", 200,
                 "--concurrency", 20, "--keep-alive", 5)
        equal((r["responses"], r["done"]), (1000, 200), "through two taps")
        equal(read(way), "0\n", "forwarding afterwards")


@test
def wget_open_loop_keeps_its_rate_and_hides_no_stall():
    www((3000,))
    with nginx() as (url, pid):
        r = wget(url + "/f3000.bin", "--rate", 400, "--duration", 2,
                 "--keep-alive", 0, "--workers", 2)
        equal((r["responses"], r["not_begun"]), (800, 0), "400/s for 2 s")
        claim(1.98 < r["seconds"] < 2.5, "took %s s" % r["seconds"])
        # the server stands still for a second in the middle
        p = subprocess.Popen([BUILD + "/bin/starfish", "wget",
                              url + "/f3000.bin", "--rate", "400",
                              "--duration", "3", "--keep-alive", "0",
                              "--concurrency", "4", "--json"],
                             stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        p.stderr.readline()
        p.stderr.readline()             # a second is over
        kill(pid, signal.SIGSTOP)
        time.sleep(1)
        kill(pid, signal.SIGCONT)
        out, err = p.communicate(timeout=30)
        equal(p.returncode, 0, "it ends well: " + err)
        r = json.loads(out)
        equal(r["responses"], 1200, "all were made up for")
        # 400 of 1,200 were due in that second, and felt it: in a closed
        # loop 4 would have
        slow = sum(n for v, n in r["whole_us"]["hist"] if v > 100000)
        claim(300 < slow < 700, "%d slow ones" % slow)
        claim(r["whole_us"]["max"] > 900000, "the longest: a second")


@test
def wget_goes_on_after_its_worker_was_killed():
    www((3000,))
    with nginx() as (url, _), \
            Instance([RESTING % 1], name="loads") as i:
        url = url.replace("localhost", "10.79.0.1")
        p = subprocess.Popen([BUILD + "/bin/starfish", "wget",
                              url + "/f3000.bin", "--rate", "500",
                              "--duration", "4", "--keep-alive", "0",
                              "--concurrency", "8", "--json"],
                             stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        p.stderr.readline()
        p.stderr.readline()
        kill(i.pids()[0])
        out, err = p.communicate(timeout=30)
        r = json.loads(out)
        equal(r["restarts"], 1, "a successor went on")
        claim(r["responses"] >= 1990, "responses: %d" % r["responses"])
        claim(r["failed"] <= 1 and r["errors"]["reset"] <= 1,
              "one connection at most: %s\n%s" % (r["errors"], err))
        claim(r["adopted"] >= 1, "connections went on")
