"""A tagged port: raw frames with and without the tag on the host's side."""
import socket
import struct

from lib import Instance, TMP, claim, equal, test, wait_for
from t_files import www
from t_frames import SYN, csum, ip, tcp

TEXT = """name = "vl1";
memory = { buffers = 4096; connections = 1024; chunks = 1024; cache_mb = 64; };
ports = ( { name = "tap0"; type = "tap"; device = "sf-vl1"; vlan = 5;
    address = [ "10.79.5.2/24" ]; } );
workers = ( { name = "web"; service = "http"; ports = [ "tap0" ]; count = 2;
    cpus = [ 0, 1 ]; listen = [ "*:80" ]; http = { root = "%s/www"; }; } );
"""
OURS, HOST = "10.79.5.2", "10.79.5.1"
SOL_PACKET, PACKET_AUXDATA = 263, 8


class Tagged:
    """Frames on an interface; the kernel shows a tag beside the frame."""

    def __init__(self, dev):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(3))
        self.sock.bind((dev, 0))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.settimeout(2)
        self.src = b"\2\0\0\0\0\7"
        self.dst = b"\xff" * 6

    def send(self, kind, payload, vlan=None):
        tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
        self.sock.send(self.dst + self.src + tag + struct.pack("!H", kind) +
                       payload)

    def answer(self, kind):
        """(tag or None, payload) of the next frame of a kind to us."""
        while True:
            frame, anc, _, _ = self.sock.recvmsg(2048, 256)
            if frame[:6] != self.src or frame[12:14] != struct.pack(
                    "!H", kind):
                continue
            for level, what, data in anc:
                if (level, what) == (SOL_PACKET, PACKET_AUXDATA):
                    status, tci = struct.unpack_from("=I12xH", data)
                    return (tci if status & 0x10 else None), frame[14:]

    def ask(self, vlan):
        self.send(0x0806, struct.pack(
            "!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, self.src,
            socket.inet_aton(HOST), b"\0" * 6, socket.inet_aton(OURS)), vlan)


@test
def a_vlan_is_tagged_and_kept_apart():
    www()
    i = Instance(name="vl1", text=TEXT % TMP)
    i.up()
    w = Tagged("sf-vl1")
    for vlan in (None, 0, 6, 4094):
        before = i.counters()["drop_vlan"]
        w.ask(vlan)
        wait_for("VLAN %s is dropped" % vlan,
                 lambda b=before: i.counters()["drop_vlan"] > b, 5)
    w.ask(5)
    tag, arp = w.answer(0x0806)
    equal(tag, 5, "the answer's tag")
    equal(arp[14:18], socket.inet_aton(OURS), "whose it is")
    w.dst = arp[8:14]
    echo = b"\x08\0\0\0\0\1\0\1" + b"x" * 40
    echo = echo[:2] + struct.pack("!H", csum(echo)) + echo[4:]
    w.send(0x0800, ip(echo, proto=1, src=HOST, dst=OURS), 5)
    tag, reply = w.answer(0x0800)
    equal((tag, reply[20], reply[28:68]), (5, 0, b"x" * 40), "echo")
    # both slots answer: the tag does not hide whose a flow is
    for port in range(40000, 40020):
        w.send(0x0800, ip(tcp(SYN, sport=port, src=HOST, dst=OURS), src=HOST,
                          dst=OURS), 5)
        tag, reply = w.answer(0x0800)
        equal((tag, reply[33]), (5, 0x12), "SYN, ACK")
    claim(i.counters()["handed_off"] > 0, "some were handed on")
    i.down()
