"""Malformed frames from the host's side of the tap: counted, never fatal."""
import os
import random
import re
import socket
import struct

from lib import (HOST, Instance, OURS, claim, connect, equal, get, http, sh,
                 test, wait_for)
from t_files import content, www


def csum(b):
    if len(b) % 2:
        b += b"\0"
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


class Wire:
    """Raw frames onto an interface, from the host's address to ours."""

    def __init__(self, dev):
        sh("ping", "-c", "1", "-W", "2", OURS)
        neigh = sh("ip", "neigh", "show", OURS, "dev", dev).stdout
        mac = re.search(r"lladdr ([0-9a-f:]+)", neigh).group(1)
        self.dst = bytes.fromhex(mac.replace(":", ""))
        with open("/sys/class/net/%s/address" % dev) as f:
            self.src = bytes.fromhex(f.read().strip().replace(":", ""))
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.sock.bind((dev, 0))

    def send(self, frame):
        self.sock.send(frame)

    def ether(self, payload, kind=0x0800, dst=None):
        return (dst or self.dst) + self.src + struct.pack("!H", kind) + payload


def ip(payload, proto=6, src=HOST, dst=OURS, **bad):
    """An IPv4 packet; bad overrides ver_ihl, total, frag, sum."""
    head = struct.pack(
        "!BBHHHBBH4s4s", bad.get("ver_ihl", 0x45), 0,
        bad.get("total", 20 + len(payload)), 1, bad.get("frag", 0x4000), 64,
        proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    s = bad.get("sum", csum(head))
    return head[:10] + struct.pack("!H", s) + head[12:] + payload


def tcp(flags=0x02, sport=40000, dport=80, opts=b"", data=b"", **bad):
    """A TCP segment with a right checksum unless bad overrides off, sum."""
    opts += b"\0" * (-len(opts) % 4)
    off = bad.get("off", 5 + len(opts) // 4)
    seg = struct.pack("!HHIIBBHHH", sport, dport, 1000, bad.get("ack", 0),
                      off << 4, flags, 65535, 0, 0) + opts + data
    pseudo = (socket.inet_aton(bad.get("src", HOST)) +
              socket.inet_aton(bad.get("dst", OURS)) +
              struct.pack("!BBH", 0, 6, len(seg)))
    s = bad.get("sum", csum(pseudo + seg))
    return seg[:16] + struct.pack("!H", s) + seg[18:]


SYN, ACK, RST = 0x02, 0x10, 0x04


def malformed(w):
    """(what, frame, counter that must grow)"""
    e = w.ether
    arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, w.src,
                      socket.inet_aton(HOST), b"\0" * 6,
                      socket.inet_aton(OURS))
    return (
        ("IP header cut short", e(ip(b"")[:12].ljust(12, b"\0")[:10]),
         "drop_short"),
        ("unknown EtherType", e(b"x" * 50, kind=0x88b5), "drop_ethertype"),
        ("ARP cut short", e(arp[:20], kind=0x0806), "drop_"),
        ("ARP of another hardware", e(b"\0\7" + arp[2:], kind=0x0806),
         "drop_arp"),
        ("IP version 5", e(ip(tcp(), ver_ihl=0x55)), "drop_ip_header"),
        ("IP header of 4 bytes", e(ip(tcp(), ver_ihl=0x41)),
         "drop_ip_header"),
        ("IP header past the end", e(ip(b"", ver_ihl=0x4f)), "drop_ip_"),
        ("total length above the frame", e(ip(tcp(), total=1400)),
         "drop_ip_length"),
        ("total length below the header", e(ip(tcp(), total=19)),
         "drop_ip_"),
        ("IP checksum", e(ip(tcp(), sum=0x1234)), "drop_ip_csum"),
        ("source 255.255.255.255",
         e(ip(tcp(src="255.255.255.255"), src="255.255.255.255")),
         "drop_ip_source"),
        ("source is multicast", e(ip(tcp(src="224.0.0.5"), src="224.0.0.5")),
         "drop_ip_source"),
        ("land: source is ours", e(ip(tcp(src=OURS), src=OURS)),
         "drop_ip_source"),
        ("protocol 99", e(ip(b"x" * 20, proto=99)), "drop_ip_proto"),
        ("fragment past 64 KiB", e(ip(b"x" * 24, frag=0x1fff)),
         "drop_frag_bad"),
        ("TCP header cut short", e(ip(tcp()[:12])), "drop_"),
        ("TCP offset 4", e(ip(tcp(off=4))), "drop_tcp_header"),
        ("TCP offset past the end", e(ip(tcp(off=15))), "drop_tcp_header"),
        ("TCP checksum", e(ip(tcp(sum=0x4321))), "drop_tcp_csum"),
        ("port closed", e(ip(tcp(dport=81))), "drop_tcp_no_listener"),
        ("ACK to nobody", e(ip(tcp(flags=ACK, ack=77))), "tcp_reset_out"),
        ("ICMP checksum", e(ip(b"\x08\0\x12\x34" + b"\0" * 20, proto=1)),
         "drop_icmp"),
        ("ICMP cut short", e(ip(b"\x08\0", proto=1)), "drop_"),
    )


@test
def malformed_frames_are_counted_by_cause():
    www()
    with Instance([http(count=2)]) as i:
        w = Wire(i.dev)
        pids = i.pids()
        for what, frame, counter in malformed(w):
            before = i.counters()
            for _ in range(5):
                w.send(frame)

            def grew():
                now = i.counters()
                return sum(now[k] - before[k] for k in now
                           if k == counter or (counter.endswith("_") and
                                               k.startswith(counter)))
            wait_for("%s counts as %s" % (what, counter),
                     lambda: grew() >= 5, 3)
        equal(i.pids(), pids, "no worker died")
        equal(get("/f64.bin").body, content(64), "and it serves")


@test
def odd_syn_options_do_no_harm():
    www()
    with Instance([http(count=1)]) as i:
        w = Wire(i.dev)
        pids = i.pids()
        # the kernel knows nothing of these flows and would reset them
        opts = [b"\x02\x00", b"\x02\x01", b"\x02\xff", b"\x02\x04\x00\x00",
                b"\x02\x04\x00\x01", b"\x02\x04\xff\xff", b"\x03\x03\x0e",
                b"\x03\x03\xff", b"\x03\x00", b"\x08\x0a", b"\x08\x02",
                b"\x08\x0a" + b"\xff" * 8, b"\x05\x0a" + b"\xff" * 8,
                b"\x05\x03\x00", b"\x01" * 40, b"\xfe\x28" + b"z" * 38,
                b"\x04\x02" * 20, b"\x1e\x00", b"\x00" * 40]
        for k, o in enumerate(opts):
            for flags in (SYN, SYN | ACK, SYN | RST, 0, 0xff, SYN | 0x01):
                w.send(w.ether(ip(tcp(flags, sport=41000 + k, opts=o))))
            w.send(w.ether(ip(tcp(SYN, sport=42000 + k, opts=o,
                                  data=b"GET / HTTP/1.1\r\n\r\n"))))
        for port in range(20):      # a zero port and a flow with itself
            w.send(w.ether(ip(tcp(SYN, sport=0))))
            w.send(w.ether(ip(tcp(SYN, sport=80))))
        equal(get("/f64.bin").body, content(64), "it serves")
        equal(i.pids(), pids, "no worker died")


@test
def random_frames_do_no_harm():
    www()
    seed = int.from_bytes(os.urandom(4), "big")
    print("seed %d" % seed)
    rnd = random.Random(seed)
    with Instance([http(count=2)]) as i, connect() as s:
        w = Wire(i.dev)
        pids = i.pids()
        good = [f for _, f, _ in malformed(w)]
        for _ in range(20000):
            f = bytearray(rnd.choice(good))
            for _ in range(rnd.randrange(1, 8)):
                f[rnd.randrange(12, len(f))] = rnd.randrange(256)
            if f[12:14] == b"\x08\x06":
                # not a lie about the host: that would be believed
                f[22:32] = w.src + socket.inet_aton(HOST)
            if rnd.random() < 0.3:
                f = f[:rnd.randrange(14, len(f) + 1)]
            if rnd.random() < 0.1:
                f += rnd.randbytes(rnd.randrange(1400))
            w.send(bytes(f))
        equal(i.pids(), pids, "no worker died")
        s.sendall(b"GET /f64.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        claim(s.recv(65536).endswith(content(64)), "old connections live")
        equal(get("/f64.bin").body, content(64), "new ones too")
        c = i.counters()
        claim(sum(v for k, v in c.items() if k.startswith("drop_")) > 10000,
              "they were counted as drops")


@test
def a_syn_flood_does_not_shut_others_out():
    www()
    with Instance([http(count=1)]) as i:
        w = Wire(i.dev)
        for k in range(6000):   # more than the table of connections holds
            src = "10.79.0.%d" % (10 + k % 200)
            w.send(w.ether(ip(tcp(SYN, sport=1024 + k, src=src), src=src)))
        equal(get("/f64.bin").body, content(64), "it serves")
        claim(i.well(), "well")
