#!/usr/bin/env python3
"""Write the seed corpora of the fuzz targets: a few small inputs each.

usage: tests/fuzz/make-corpus.py        from the top of the tree

The files are checked in; this says what they are and makes them again when a
target's format changes.
"""
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
(RAW, SEGMENT, SYN, TIME, SERVICE, ARP, ICMP, ADOPT, CONNECT,
 SQUEEZE) = range(10)
FIN, SYNF, RST, PSH, ACK = 1, 2, 4, 8, 16


def op(kind, *args):
    return bytes([kind]) + b"".join(args)


def seg(flags, seq=0, ack=0, length=0, options=b"", conn=0, window=65535):
    """A segment of connection `conn`, numbers relative to the right ones."""
    return op(SEGMENT, struct.pack(">BhhBHB", conn, seq, ack, flags, window,
                                   len(options) // 4), options,
              struct.pack(">H", length))


def syn(port, options=b"\x02\x04\x05\xb4\x01\x03\x03\x07\x04\x02\x01\x01"):
    return op(SYN, struct.pack(">BHB", port, 65535, len(options) // 4),
              options)


def time(us, shift=0):
    return op(TIME, struct.pack(">HB", us, shift))


def raw(frame):
    return op(RAW, struct.pack(">H", len(frame)), frame)


def service(bits):
    return op(SERVICE, bytes([bits]))


SACK = b"\x01\x01\x05\x0a" + struct.pack(">II", 100, 300)
ETH = bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1])
IP = ETH + b"\x08\x00\x45\x00\x00\x28\x00\x01\x40\x00\x40\x06"

INPUT = {
    "data": b"\0" + seg(PSH | ACK, length=100) + time(1000) +
    seg(ACK, length=1300) + seg(FIN | ACK, seq=0) + time(60000, 6),
    "out-of-order": b"\1" + seg(ACK, seq=1000, length=500) +
    seg(ACK, seq=200, length=300) + seg(ACK, length=1000) +
    seg(ACK, options=SACK),
    "window": b"\2" + service(0) + b"".join(
        seg(ACK, length=1300) for _ in range(30)) + service(1) +
    time(1000) + seg(ACK, window=0) + time(60000, 5) + seg(ACK),
    "reset": b"\3" + seg(RST, seq=5) + seg(SYNF, seq=9) + seg(RST),
    "handshakes": b"\4" + b"".join(syn(i) for i in range(12)) +
    time(1000, 10) + time(60000, 10),
    "close": b"\5" + service(0x21) + seg(ACK, length=10) +
    seg(ACK, ack=0) + seg(FIN | ACK) + time(60000, 12),
    "adopt": b"\6" + seg(ACK, seq=500, length=400) + op(ADOPT) +
    seg(ACK, length=500) + service(8) + seg(ACK, length=1) + op(ADOPT) +
    time(30000, 4),
    "connect": b"\7" + op(CONNECT, b"\0\x50\1") + seg(
        SYNF | ACK, conn=1) + seg(ACK, conn=1, length=20) +
    op(CONNECT, b"\0\x50\0") + time(60000, 10),
    "icmp": b"\10" + op(ICMP, b"\0\3\4\2\x40\0\0") +
    op(ICMP, b"\0\3\1\0\0\0\0") + op(ICMP, b"\0\x08\0\0\1"),
    "arp": b"\11" + op(ARP, b"\1\7\3\2") + op(ARP, b"\2\1\1\2"),
    "frames": b"\0" + raw(IP + bytes(26)) + raw(ETH + b"\x08\x06") +
    raw(IP[:20]) + raw(b""),
    "no-frames": b"\0" + op(SQUEEZE, b"\0\1") + seg(ACK, length=99)[1:] +
    op(SQUEEZE, b"\1\0") + time(60000, 4)[1:],
}

CRLF = "\r\n"


def req(line, *fields, body=""):
    return CRLF.join([line, *fields, "", body]).encode()


HOST = "Host: a"
HTTP = {
    "get": b"\2" + req("GET / HTTP/1.1", HOST),
    "pipelined": b"\4" + 3 * req("GET /sub/page.css HTTP/1.1", HOST) +
    req("GET /big.bin HTTP/1.1", HOST, "Connection: close"),
    "head": b"\6" + req("HEAD /a%20b.txt?x=1 HTTP/1.0"),
    "range": b"\10" + req("GET /big.bin HTTP/1.1", HOST,
                          "Range: bytes=0-9,100-199,-5"),
    "conditional": b"\12" + req(
        "GET /index.html HTTP/1.1", HOST, 'If-None-Match: "x", *',
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
    "echo": b"\1" + req("POST /echo HTTP/1.1", HOST, "Content-Length: 5",
                        body="hello"),
    "chunked": b"\3" + req("POST /echo HTTP/1.1", HOST,
                           "Transfer-Encoding: chunked",
                           body="5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n"),
    "expect": b"\5" + req("POST /echo HTTP/1.1", HOST, "Content-Length: 3",
                          "Expect: 100-continue", body="abc"),
    "smuggle": b"\2" + req("GET / HTTP/1.1", HOST, "Content-Length: 4",
                           "Transfer-Encoding: chunked", body="0\r\n\r\n"),
    "absolute": b"\2" + req("OPTIONS * HTTP/1.1", HOST) +
    req("GET http://a/%2e%2e/x HTTP/1.1", HOST) +
    req("BREW /pot HTTP/2.0"),
    "bare-lf": b"\2GET / HTTP/1.1\nHost: a\n\n",
    "fold": b"\2" + req("GET / HTTP/1.1", HOST, "X: a", " b"),
}

# fuzz_ip6: kinds of steps, and a chain of extension headers of 8 bytes each
(RAW6, CHAIN6, ICMP6, ND6, ERROR6, SEGMENT6, UDP6, TIME6, ADOPT6) = range(9)
PAD = b"\0\0\1\4\0\0\0\0"


def chain(first, *kinds, how=0, body=PAD):
    out = bytes([CHAIN6, first, how, len(kinds) + 1])
    for k in kinds:
        out += bytes([k]) + body
    return out + body


IP6 = {
    "chain": chain(0, 3) + chain(3, 3, 3) + chain(1, 3) + chain(3, 0),
    "options": chain(3, body=b"\0\0\xbe\4\0\0\0\0") +
    chain(0, body=b"\0\0\5\2\0\0\1\0"),
    "atomic": chain(2, 3, body=b"\0\0\0\0\0\0\0\7") + chain(2, 2),
    "echo": op(ICMP6, b"\0\0\x10\x80\0\0\0\0\1\0\1data") +
    op(ICMP6, b"\2\0\x10\x80\0\0\0\0\1\0\1data"),
    "discovery": op(ND6, b"\x19\x08\0\1\1\2\0\0\0\0\1") +
    op(ND6, b"\x00\x08\x60\2\1\2\0\0\0\0\1") +
    op(ND6, b"\x1b\0\0") + op(ND6, b"\x12\x08\x20\2\1\2\0\0\0\0\7"),
    "too-big": op(SEGMENT6, b"\0\0\x18\0\x64") +
    op(ERROR6, b"\0\1\0\5\0\0\x50\1\0"),
    "segments": op(SEGMENT6, b"\0\0\x18\1\0") + op(TIME6, b"\1\0\6") +
    op(SEGMENT6, b"\0\0\x11\0\0") + op(ADOPT6) + op(TIME6, b"\1\0\x0f"),
    "udp": op(UDP6, b"\0\x40\1\1\1") + op(UDP6, b"\0\x40\0\1\1"),
}

# fuzz_frag: kinds of steps; the first two bytes choose limit and message
(PIECE4, PIECE6, ODD4, ODD6, TIMEF, SQUEEZEF, LENGTHF) = range(7)
FRAG = {
    "in-order-4": b"\0\1\x0b\xb8" + b"".join(
        op(PIECE4, bytes([124, i, 1])) for i in range(4)),
    "in-order-6": b"\0\0\x0b\xb8" + b"".join(
        op(PIECE6, bytes([124, i, 1])) for i in range(4)),
    "reversed": b"\1\1\0\x64" + b"".join(
        op(PIECE4, bytes([1, i, 2])) for i in (6, 5, 4, 3, 2, 1, 0)),
    "overlap": b"\0\0\4\0" + op(PIECE6, b"\x0a\0\0") +
    op(ODD6, b"\0\x10\0\x40\0") + op(TIMEF, b"\xff\xff\x0a"),
    "many": b"\1\1\x17\0" + b"".join(
        op(PIECE4, bytes([0, i, i % 4])) for i in range(1, 99)),
    "no-frames": b"\0\0\x0b\0" + op(PIECE6, b"\x7c\0\1") +
    op(SQUEEZEF, b"\0\0\x7c\1\1") + op(SQUEEZEF, b"\1\0\x7c\2\1"),
}

# fuzz_ws: mode and whether compression is agreed on, then frames with mask 0
HELLO = bytes.fromhex("f248cdc9c90700")


def ws(first, data=b""):
    return bytes([first, 0x80 | len(data)]) + bytes(4) + data


WS = {
    "plain": b"\0" + ws(0x81, b"Hello") + ws(0x89) + ws(0x88, b"\x03\xe8"),
    "fragments": b"\0" + ws(1, b"\xce") + ws(0x89, b"p") + ws(0) +
    ws(0x80, b"\xba") + ws(0x82, bytes(60)),
    "deflate": b"\4" + ws(0xc1, HELLO) + ws(0x41, HELLO[:3]) + ws(0x8a) +
    ws(0x80, HELLO[3:]),
    "broadcast": b"\5" + ws(0xc1, HELLO) + ws(2, b"a") + ws(0x80, b"b"),
    "push": b"\6" + ws(0xc1, HELLO) + ws(1, b"\xce") + ws(0x80),
}

# fuzz_opt: options (length, bytes) parsed, in a SYN, in an ACK; ICMP; time
OPTS = (bytes.fromhex("020405b40402080a00000001000000000103030a"),
        bytes.fromhex("0101080a0000000100000002"),
        bytes.fromhex("0101050a0000000100000002"),
        bytes.fromhex("0101051200000001000000020000000400000005"),
        bytes.fromhex("0303ff0202000000"), bytes.fromhex("01010100ffffffff"))
(OPARSE, OSYN, OICMP, OACK, OTIME) = range(5)


def opt(kind, how, options, last=b""):
    """how: of a parse, whether in a SYN; of a SYN, its port."""
    return (bytes([kind, how, len(options)]) + options if kind == OPARSE else
            bytes([kind, len(options)]) + options +
            (bytes([how]) if kind == OSYN else b"")) + last


OPT = {
    "parse": b"".join(opt(OPARSE, i & 1, o) for i, o in enumerate(OPTS)),
    "parse-syn": b"".join(opt(OPARSE, 1, o) for o in OPTS),
    "syn": b"".join(opt(OSYN, i, o) for i, o in enumerate(OPTS)),
    "open": opt(OSYN, 1, OPTS[0]) + opt(OACK, 0, OPTS[1], b"\0") +
    bytes([OICMP, 15, 0, 4, 2, 0x88, 0, 0, 0]) +
    bytes([OICMP, 0x1e, 0, 5, 3, 2, 0x40, 0, 1, 4]) +
    bytes([OTIME, 0xff, 0xff, 8]),
}

RESP = {
    "length": b"\5HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: Thu, 01 Jan "
    b"2026 00:00:00 GMT\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:01 GMT\r\n\r\nworld",
    "chunked": b"\3HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nT: v\r\n\r\n"
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "interim": b"\1HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n"
    b"Connection: keep-alive\r\n\r\nto the end",
    "head": b"\xc8HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
    b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
    "bad": b"\5HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6"
    b"\r\n\r\n",
}

CONF = {
    "requests": b"\2hello\nadd web 2 -\ndrain 3 0\nreload /etc/x.conf\n"
    b"dance\nfault 1 drop=5,seed=1\nupgrade /usr/bin/x\ndown 100\n",
    "long": b"\2" + b"reload /" + b"a" * 300 + b"\n",
    "fault": b"\3drop=10000,split_io=true,crash=turn,after=3",
    "off": b"\3off",
    "url": b"\7http://10.77.0.2:8080/index.html",
    "url6": b"\7http://[fd77::2]/x",
    "name": b"\x0fhttp://host/",
}
for c in ("lab", "wire", "nic"):
    with open("config/%s.conf" % c, "rb") as f:
        CONF[c] = b"\0" + f.read()


def main():
    for target, inputs in (("fuzz_input", INPUT), ("fuzz_http", HTTP),
                           ("fuzz_ip6", IP6), ("fuzz_frag", FRAG),
                           ("fuzz_ws", WS), ("fuzz_opt", OPT),
                           ("fuzz_resp", RESP), ("fuzz_conf", CONF)):
        folder = os.path.join(HERE, target)
        os.makedirs(folder, exist_ok=True)
        for name, data in inputs.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
