"""IPv6 over tap: neighbour discovery, echo, HTTP, fragments, several slots."""
import socket

from lib import (Instance, Reply, TMP, claim, curl, equal, kill, sh, test,
                 wait_for)
from t_files import SIZES, content, www

OURS6, HOST6 = "fd79::2", "fd79::1"

PORT = """{ name = "tap0"; type = "tap"; device = "%(dev)s"; mtu = %(mtu)d;
    host = "10.79.0.1/24"; host6 = "fd79::1/64";
    address = [ "10.79.0.2/24", "fd79::2/64" ]; %(more)s }"""
WEB = """{ name = "web"; service = "http"; ports = [ "tap0" ]; count = %d;
    cpus = [ 0, 1 ]; listen = [ "[fd79::2]:80", "*:81" ];
    http = { root = "%s/www"; echo = "/echo"; }; }"""


def instance(name, count=2, mtu=1500, more=""):
    """An instance with both families; usable when this returns."""
    i = Instance([WEB % (count, TMP)], name=name, ports=PORT % {
        "dev": "sf-" + name, "mtu": mtu, "more": more})
    i.up()
    # duplicate address detection takes a second
    wait_for("our address", lambda: sh(
        "ping", "-6", "-c", "1", "-W", "1", OURS6, ok=None).returncode == 0,
        10)
    return i


def url6(path, port=80):
    return "http://[%s]:%d%s" % (OURS6, port, path)


@test
def http_is_served_over_ipv6():
    www(SIZES)
    i = instance("six1")
    for n in SIZES:
        claim(curl(url6("/f%d.bin" % n)).stdout == content(n),
              "size %d differs" % n)
    equal(curl(url6("/f64.bin", 81)).stdout, content(64), "any address")
    equal(curl("http://10.79.0.2:81/f64.bin").stdout, content(64),
          "and IPv4 beside it")
    claim(curl("http://10.79.0.2/", ok=(7,)).returncode == 7,
          "IPv4 is refused where only IPv6 listens")
    # many flows: both slots have their share, and hand off what is not theirs
    socks = [socket.create_connection((OURS6, 80), timeout=5)
             for _ in range(100)]
    wait_for("100 connections", lambda: sum(
        w["connections"] for w in i.workers()) == 100)
    for w in i.workers():
        claim(w["connections"] >= 25, "its share: %d" % w["connections"])
    claim("[fd79::2]:80" in i.cli("conns").stdout, "conns shows them")
    for s in socks:
        s.close()
    c = i.counters()
    equal(c["drop_tcp_csum"] + c["drop_ip6"] + c["addr_conflict"], 0,
          "nothing is dropped")
    i.down()


@test
def ping_is_answered_on_both_addresses():
    www()
    i = instance("six2", count=1)
    sh("ping", "-6", "-c", "3", "-i", "0.2", "-W", "2", OURS6)
    sh("ping", "-6", "-c", "3", "-i", "0.2", "-W", "2", "-s", "1400", OURS6)
    # the link-local address is the kernel's to know: by neighbour
    neigh = sh("ip", "-6", "neigh", "show", OURS6, "dev", i.dev).stdout
    mac = neigh.split("lladdr ")[1].split()[0].split(":")
    local = "fe80::%02x%s:%sff:fe%s:%s%s%%%s" % (
        int(mac[0], 16) ^ 2, mac[1], mac[2], mac[3], mac[4], mac[5], i.dev)
    sh("ip", "-6", "address", "add", "fe80::1/64", "dev", i.dev, "nodad",
       ok=None)
    sh("ping", "-6", "-c", "2", "-i", "0.2", "-W", "2", local)
    i.down()


@test
def fragments_are_put_together():
    www()
    i = instance("six3", count=2)
    for host in ("10.79.0.2", OURS6):
        for size in (1500, 1800, 4000, 20000):
            sh("ping", "-c", "2", "-i", "0.2", "-W", "2", "-s", size, host)
    c = i.counters()
    claim(c["ip_reassembled"] >= 16, "%d put together" % c["ip_reassembled"])
    equal(c["drop_frag_bad"] + c["drop_frag_full"], 0, "none is lost")
    i.down()


@test
def an_address_that_the_host_has_is_not_used():
    www()
    i = instance("six4", count=1)
    sh("ip", "-6", "address", "add", OURS6 + "/128", "dev", i.dev, "nodad")
    # whoever takes over probes the addresses again
    kill(i.pids()[0])
    wait_for("the conflict is seen",
             lambda: i.counters()["addr_conflict"] > 0, 10)
    sh("ip", "-6", "address", "del", OURS6 + "/128", "dev", i.dev)
    p = sh("ping", "-6", "-c", "1", "-W", "1", OURS6, ok=None)
    equal(p.returncode, 1, "it does not answer")
    sh("ping", "-c", "1", "-W", "2", "10.79.0.2")
    i.down()


@test
def connections_outlive_their_worker_over_ipv6():
    www()
    i = instance("six5", count=2)
    socks = [socket.create_connection((OURS6, 80), timeout=5)
             for _ in range(20)]
    for w in i.workers():
        kill(w["pid"])
    for s in socks:
        s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
    for s in socks:
        equal(Reply(s).body, content(64), "body")
    i.down()
