"""The peers: nginx under wrk, and the least a server on kernel sockets does.

Server on core 1, client on core 0, over loopback, cubic.
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.request

NGINX_PORT, KERNEL_PORT, ECHO_PORT = 8611, 8612, 8613

NGINX_CONF = """daemon off;
worker_processes 1;
worker_cpu_affinity 10;
user root;
pid %(dir)s/nginx.pid;
error_log %(dir)s/nginx.log error;
events { worker_connections 8192; multi_accept on; }
http {
    types { }
    default_type application/octet-stream;
    access_log off;
    sendfile off;
    tcp_nopush off;
    tcp_nodelay on;
    keepalive_requests 1000000;
    open_file_cache max=1000 inactive=60s;
    output_buffers 2 512k;
    client_body_temp_path %(dir)s/t1;
    proxy_temp_path %(dir)s/t2;
    fastcgi_temp_path %(dir)s/t3;
    uwsgi_temp_path %(dir)s/t4;
    scgi_temp_path %(dir)s/t5;
    server {
        listen 127.0.0.1:%(port)d backlog=8192;
        root %(www)s;
    }
}
"""

# wrk sends what request() returns; answers are counted one by one
WRK_PIPELINE = """
init = function(args)
    local r = {}
    for i = 1, %d do r[i] = wrk.format("GET", nil) end
    batch = table.concat(r)
end
request = function() return batch end
"""


@contextlib.contextmanager
def child(cmd, ready):
    """A server while the block runs; ready(): true once it answers."""
    p = subprocess.Popen(cmd, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 10
        while not ready():
            if p.poll() is not None or time.monotonic() > end:
                raise RuntimeError("%s does not start: %s" % (
                    cmd[0], p.stderr.read().decode() if p.poll() is not None
                    else "no answer"))
            time.sleep(0.02)
        yield p
    finally:
        p.terminate()
        p.wait()


def answers(port, path):
    def ready():
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d%s" %
                                        (port, path), timeout=2) as r:
                return r.status == 200
        except OSError:
            return False
    return ready


def unit_us(text):
    """wrk's 1.20ms, 300.00us, 1.05s in µs."""
    m = re.match(r"([\d.]+)(us|ms|s|m)", text)
    return float(m.group(1)) * {"us": 1, "ms": 1e3, "s": 1e6,
                                "m": 6e7}[m.group(2)]


def nginx(bench, case):
    """One sample of nginx under wrk."""
    conf = bench.dir + "/nginx.conf"
    with open(conf, "w") as f:
        f.write(NGINX_CONF % {"dir": bench.dir, "www": bench.www,
                              "port": NGINX_PORT})
    cmd = ["taskset", "-c", "0", "wrk", "-t1", "-c%d" % case.conns,
           "-d%ds" % max(1, round(bench.seconds)), "--latency"]
    if case.one:
        cmd += ["-H", "Connection: close"]
    if case.depth > 1:
        lua = bench.dir + "/pipeline.lua"
        with open(lua, "w") as f:
            f.write(WRK_PIPELINE % case.depth)
        cmd += ["-s", lua]
    cmd.append("http://127.0.0.1:%d%s" % (NGINX_PORT, case.path))
    with child(["nginx", "-p", bench.dir, "-c", conf],
               answers(NGINX_PORT, case.path)):
        out = subprocess.run(cmd, stdout=subprocess.PIPE, check=True,
                             text=True).stdout
    m = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), "
                  r"timeout (\d+)", out)
    # nginx closes first with one request each: wrk calls some of these read
    # errors though it has the whole answer
    bad = sum(int(x) for x in m.groups()) if m else 0
    if "Non-2xx" in out or (bad and not case.one):
        raise RuntimeError("wrk: " + out)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
    p50, p99 = (unit_us(re.search(r"^\s+%s%%\s+(\S+)" % q, out,
                                  re.MULTILINE).group(1)) for q in (50, 99))
    return {"rate": rate, "p50_us": p50, "p99_us": p99}


def kernel(bench, case, busy=False):
    """One sample of the plain C server under the plain C client."""
    server = [bench.program("bench/kernel_server"), "-c", "1", "-p",
              str(KERNEL_PORT), "-s", str(case.body)]
    client = [bench.program("bench/kernel_client"), "-C", "0", "-p",
              str(KERNEL_PORT), "-c", str(case.conns), "-P", str(case.depth),
              "-d", str(max(1, round(bench.seconds)))]
    if case.one:
        server.append("-1")
        client.append("-1")
    if busy:
        server.append("-b")
        client.append("-b")
    with child(server, answers(KERNEL_PORT, "/")):
        p = subprocess.run(client, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        raise RuntimeError("kernel_client: " + p.stdout + p.stderr)
    r = json.loads(p.stdout)
    return {"rate": r["requests"] / r["seconds"], "p50_us": r["p50_us"],
            "p99_us": r["p99_us"], "ceiling": r["requests"] / r["cpu_s"]}


def listens(port):
    def ready():
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2):
                return True
        except OSError:
            return False
    return ready


def echo(bench, case, busy=False, server=None):
    """One sample of the plain C echo client, with the plain C server or
    another one."""
    opts = (["-w"] if case.ws else []) + (["-b"] if busy else [])
    cmd = [bench.program("bench/kernel_echo"), "-p", str(ECHO_PORT)]
    client = cmd + opts + ["-C", "0", "-c", str(case.conns), "-n",
                           str(case.bytes), "-d",
                           str(max(1, round(bench.seconds)))]
    with child(server or cmd + opts + ["-C", "1"], listens(ECHO_PORT)):
        p = subprocess.run(client, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    if p.returncode != 0:
        raise RuntimeError("kernel_echo: " + p.stdout + p.stderr)
    r = json.loads(p.stdout)
    return {"rate": r["messages"] / r["seconds"], "p50_us": r["p50_us"],
            "p99_us": r["p99_us"]}


def libwebsockets(bench, case):
    """The same client, and a server on libwebsockets."""
    return echo(bench, case, server=[
        bench.program("bench/lws_server"), "-p", str(ECHO_PORT), "-C", "1"])


def memcpy(bench, case):
    """Answers per second if all that had to be done were to copy them."""
    out = subprocess.run(["taskset", "-c", "0",
                          bench.program("bench/copy_rate"), str(case.body),
                          str(bench.seconds / 2)], stdout=subprocess.PIPE,
                         check=True, text=True).stdout
    return {"rate": json.loads(out)["rate"]}


def slab():
    with open("/proc/meminfo") as f:
        return int(re.search(r"Slab:\s+(\d+)", f.read()).group(1)) * 1024


def idle_bytes(bench, conns=15000):
    """Kernel memory of one end of an idle connection, bytes."""
    server = [bench.program("bench/kernel_server"), "-c", "1", "-p",
              str(KERNEL_PORT)]
    with child(server, answers(KERNEL_PORT, "/")):
        before = slab()
        p = subprocess.Popen(
            [bench.program("bench/kernel_client"), "-i", "-c", str(conns),
             "-p", str(KERNEL_PORT), "-d", "2"], stdout=subprocess.PIPE)
        p.stdout.readline()     # "ready"
        time.sleep(0.3)
        used = slab() - before
        p.terminate()
        p.wait()
    return used / (2 * conns)
