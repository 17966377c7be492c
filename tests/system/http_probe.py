#!/usr/bin/env python3
"""Probe a server with odd HTTP/1.1 requests, each as raw bytes.

usage: http_probe.py HOST [PORT [HOSTNAME]]

The table says for each request which statuses are allowed and whether the
connection must end (CLOSE), must go on (KEEP: another request is answered on
it) or may do either (ANY). A status of 0 stands for no answer at all. The
server needs index.html and file.txt (1,000 bytes) in its root and a POST echo
route at /echo. Prints what is wrong; exits 1 if anything is.

The rules are those of RFC 9110 and 9112; where they leave a choice, the
stricter one is asked for, because leniency is what requests are smuggled by.
"""
import re
import socket
import sys

CLOSE, KEEP, ANY = "close", "keep", "any"
HOST = b"Host: %HOST%\r\n"
BAD = (400,)
MORE = b"GET /file.txt HTTP/1.1\r\nHost: %HOST%\r\n\r\n"


def line(first, fields=b"", body=b"", host=HOST):
    """A request of a request line, fields and a body."""
    return first + b"\r\n" + host + fields + b"\r\n" + body


def get(fields=b"", path=b"/", body=b""):
    return line(b"GET " + path + b" HTTP/1.1", fields, body)


def post(fields=b"", body=b"", path=b"/echo"):
    return line(b"POST " + path + b" HTTP/1.1", fields, body)


def chunked(body, extra=b""):
    return post(b"Transfer-Encoding: chunked\r\n" + extra, body)


def length(value):
    """A POST whose Content-Length is this text; then a second request."""
    return post(b"Content-Length: " + value + b"\r\n", b"hello")


def te(value, cl=b""):
    return post(b"Transfer-Encoding:" + value + b"\r\n" + cl,
                b"5\r\nhello\r\n0\r\n\r\n")


def methods():
    for m in (b"GET", b"HEAD"):
        yield m.decode(), line(m + b" / HTTP/1.1"), (200,), KEEP
    yield "OPTIONS of a file", line(b"OPTIONS / HTTP/1.1"), (204,), KEEP
    yield "OPTIONS *", line(b"OPTIONS * HTTP/1.1"), (204,), KEEP
    yield ("OPTIONS with a body",
           line(b"OPTIONS / HTTP/1.1", b"Content-Length: 5\r\n", b"hello"),
           (204,), KEEP)
    for m in (b"POST", b"PUT", b"DELETE", b"PATCH"):
        yield (m.decode() + " on a file", line(m + b" /file.txt HTTP/1.1",
               b"Content-Length: 5\r\n", b"hello"), (405,), KEEP)
        yield (m.decode() + " on a file, no body",
               line(m + b" /file.txt HTTP/1.1"), (405,), KEEP)
    yield "TRACE", line(b"TRACE / HTTP/1.1"), (405,), KEEP
    yield ("TRACE with a body", line(b"TRACE / HTTP/1.1",
           b"Content-Length: 5\r\n", b"hello"), (400, 405), ANY)
    yield ("CONNECT", line(b"CONNECT h:443 HTTP/1.1"), (400, 405, 501), ANY)
    yield "CONNECT of a path", line(b"CONNECT / HTTP/1.1"), (400,), CLOSE
    for m in (b"get", b"Get", b"FOO", b"GETS", b"X" * 100, b"!#$%&'*+-.^_`|~"):
        yield ("method %r" % m[:20], line(m + b" / HTTP/1.1"), (501,), KEEP)
    yield "long method", line(b"A" * 100000 + b" / HTTP/1.1"), BAD, CLOSE
    for m in (b"G ET", b"G\tET", b"G@T", b"(GET)", b"\x00GET", b"G\xc3\xa9T",
              b"", b"GET\r"):
        yield ("method %r" % m, line(m + b" / HTTP/1.1"), BAD, CLOSE)


def request_lines():
    yield "CRLF before", b"\r\n" + get(), (200,), KEEP
    yield "two CRLF before", b"\r\n\r\n" + get(), (200,), KEEP
    for name, first in (
            ("two blanks before the target", b"GET  / HTTP/1.1"),
            ("two blanks before the version", b"GET /  HTTP/1.1"),
            ("a blank at the end", b"GET / HTTP/1.1 "),
            ("a blank at the start", b" GET / HTTP/1.1"),
            ("tabs", b"GET\t/\tHTTP/1.1"),
            ("no target", b"GET HTTP/1.1"),
            ("empty target", b"GET  HTTP/1.1"),
            ("no version", b"GET /"),
            ("nothing but a method", b"GET"),
            ("blank in the target", b"GET /a b HTTP/1.1"),
            ("fragment", b"GET /#x HTTP/1.1"),
            ("NUL in the target", b"GET /\x00 HTTP/1.1"),
            ("DEL in the target", b"GET /\x7f HTTP/1.1"),
            ("non-ASCII in the target", b"GET /\xc3\xa9 HTTP/1.1"),
            ("overlong UTF-8", b"GET /\xc0\xaf HTTP/1.1"),
            ("backslash", b"GET /\\..\\x HTTP/1.1"),
            ("target without slash", b"GET index.html HTTP/1.1"),
            ("GET *", b"GET * HTTP/1.1"),
            ("HTTP/1", b"GET / HTTP/1"), ("HTTP/1.", b"GET / HTTP/1."),
            ("HTTP/.1", b"GET / HTTP/.1"), ("HTTP/1.10", b"GET / HTTP/1.10"),
            ("HTTP/01.1", b"GET / HTTP/01.1"),
            ("HTTP/1.01", b"GET / HTTP/1.01"),
            ("HTTP/ 1.1", b"GET / HTTP/ 1.1"),
            ("HTTP /1.1", b"GET / HTTP /1.1"),
            ("http/1.1", b"GET / http/1.1"), ("Http/1.1", b"GET / Http/1.1"),
            ("HTTP/a.b", b"GET / HTTP/a.b"), ("HTTP/1,1", b"GET / HTTP/1,1"),
            ("HTTP/-1.1", b"GET / HTTP/-1.1"), ("HTP/1.1", b"GET / HTP/1.1"),
            ("HTTPS/1.1", b"GET / HTTPS/1.1")):
        yield name, line(first), BAD, CLOSE
    for v in (b"2.0", b"3.0", b"9.9", b"0.9"):
        yield ("HTTP/" + v.decode(), line(b"GET / HTTP/" + v), (505,), CLOSE)
    yield "HTTP/1.2", line(b"GET / HTTP/1.2"), (200,), KEEP
    yield ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505),
           CLOSE)
    yield "long target", get(path=b"/" + b"a" * 100000), (414,), CLOSE
    yield "target of 8000 bytes", get(path=b"/" + b"a" * 7999), (404,), KEEP
    yield "long query", get(path=b"/?" + b"a" * 100000), (414,), CLOSE
    yield "TLS hello", b"\x16\x03\x01\x00\xa5\x01\x00\x00", (400, 0), CLOSE
    yield "garbage", bytes(range(128, 256)) * 4, (400, 0), CLOSE
    yield "blanks only", b"   \r\n\r\n", BAD, CLOSE
    yield "blank line with blanks first", b" \r\n" + get(), BAD, CLOSE


def targets():
    for path in (b"/.", b"/./", b"/x/..", b"/x/../", b"//", b"/%2e/",
                 b"/x/%2E%2e/", b"/?", b"/?a=b?c", b"/index.html?/../..",
                 b"/%69ndex.html", b"/./index.html", b"/x/.%2e/index.html"):
        yield "path %s" % path.decode(), get(path=path), (200,), KEEP
    for path in (b"/..", b"/../", b"/x/../..", b"/%2e%2e/", b"/.%2e",
                 b"/..%2f", b"/a/../../file.txt", b"/%", b"/%2", b"/%zz",
                 b"/%00", b"/file.txt%00.html", b"/%0d%0aX:y",
                 b"/%c0%ae%c0%ae/etc/passwd", b"/..%c0%af"):
        yield "path %s" % path.decode(), get(path=path), BAD, ANY
    yield "UTF-8 in the path", get(path=b"/%C3%A9t%C3%A9"), (404,), KEEP
    for path in (b"/...", b"/none", b"/%5c..%5cx", b"/.git/config",
                 b"/%252e%252e/", b"/file.txt/", b"/INDEX.HTML"):
        yield "path %s" % path.decode(), get(path=path), (404,), KEEP
    yield ("absolute-form", get(path=b"http://%HOST%/file.txt"), (200,), KEEP)
    yield "absolute-form, HTTP:", get(path=b"HTTP://%HOST%/"), (200,), KEEP
    yield "absolute-form, another host than Host", get(
        path=b"http://other.example/"), (200,), KEEP
    yield "absolute-form, no path", get(path=b"http://%HOST%"), (200,), KEEP
    yield ("absolute-form, query, no path", get(path=b"http://%HOST%?x"),
           (200,), KEEP)
    yield "absolute-form, userinfo", get(path=b"http://u@h/"), BAD, CLOSE
    yield "absolute-form, no host", get(path=b"http:///"), BAD, CLOSE
    yield "absolute-form, other scheme", get(path=b"ftp://h/"), (400, 421), \
        ANY
    yield ("absolute-form without Host", line(b"GET http://h/ HTTP/1.1",
           host=b""), BAD, CLOSE)


def hosts():
    first = b"GET / HTTP/1.1"
    for name, host in (
            ("no Host", b""), ("empty Host", b"Host:\r\n"),
            ("Host of blanks", b"Host:   \r\n"),
            ("two Hosts", b"Host: a\r\nHost: b\r\n"),
            ("the same Host twice", b"Host: a\r\nHost: a\r\n"),
            ("Host far from Host", b"Host: a\r\nX: y\r\nhost: b\r\n")):
        yield name, line(first, host=host), BAD, CLOSE
    for value in (b"u@h", b"u:p@h", b"h/p", b"h?q", b"h#f", b"a b", b"a,b",
                  b"a, b", b"h:x", b"h:80:80", b"h:99999", b"h:-1", b"[::1",
                  b"::1", b"[]", b"h\\", b"h<", b"\"h\"", b"h%", b"h%zz",
                  b"http://h", b":80"):
        yield ("Host: " + value.decode(), line(first, host=b"Host: " + value
               + b"\r\n"), BAD, CLOSE)
    for value in (b"h", b"H.Example", b"h:80", b"h:", b"[::1]", b"[::1]:80",
                  b"127.0.0.1", b"a-b_c~d", b"h%20"):
        yield ("Host: " + value.decode(), line(first, host=b"Host: " + value
               + b"\r\n"), (200,), KEEP)
    yield "Host behind tabs", line(first, host=b"Host:\t h \t\r\n"), (200,), \
        KEEP
    yield "HTTP/1.0 without Host", line(b"GET / HTTP/1.0", host=b""), \
        (200,), CLOSE
    yield ("HTTP/1.0 with two Hosts", line(b"GET / HTTP/1.0",
           host=b"Host: a\r\nHost: b\r\n"), BAD, CLOSE)


def fields():
    for name, f in (
            ("blank before the colon", b"X : y\r\n"),
            ("tab before the colon", b"X\t: y\r\n"),
            ("blank before Content-Length's colon", b"Content-Length : 5\r\n"),
            ("no colon", b"nothing\r\n"), ("empty name", b": y\r\n"),
            ("folded line", b"X: y\r\n z\r\n"),
            ("folded by a tab", b"X: y\r\n\tz\r\n"),
            ("folded empty line", b"X: y\r\n \r\n"),
            ("bracket in the name", b"X[y]: z\r\n"),
            ("blank in the name", b"X y: z\r\n"),
            ("tab in the name", b"X\ty: z\r\n"),
            ("non-ASCII name", b"X\xc3\xa9: z\r\n"),
            ("NUL in the name", b"X\x00: z\r\n"),
            ("quote in the name", b"\"X\": z\r\n"),
            ("NUL in the value", b"X: a\x00b\r\n"),
            ("bare CR in the value", b"X: a\rb\r\n"),
            ("bare CR at the end", b"X: a\r\r\n"),
            ("control in the value", b"X: a\x01b\r\n"),
            ("escape in the value", b"X: \x1b[1m\r\n"),
            ("DEL in the value", b"X: a\x7f\r\n"),
            ("LF alone at the end", b"X: a\n"),
            ("CR alone between fields", b"X: a\rY: b\r\n"),
            ("LF CR", b"X: a\n\r\n")):
        yield name, get(f), BAD, CLOSE
    yield ("blank line begins the fields", line(b"GET / HTTP/1.1", host=b" "
           + HOST), BAD, CLOSE)
    yield ("blank field first", line(b"GET / HTTP/1.1", host=b" X: y\r\n" +
           HOST), BAD, CLOSE)
    yield ("LF ends the request line", b"GET / HTTP/1.1\n" + HOST + b"\r\n",
           BAD, CLOSE)
    yield "LF everywhere", b"GET / HTTP/1.1\nHost: h\n\n", BAD, CLOSE
    yield ("LF ends the head", b"GET / HTTP/1.1\r\nHost: h\r\n\n", BAD, CLOSE)
    yield ("CR ends lines", b"GET / HTTP/1.1\rHost: h\r\r", (400, 0), ANY)
    for name, f in (
            ("empty value", b"X:\r\n"), ("no blank", b"X:y\r\n"),
            ("many blanks", b"X:    y   \r\n"), ("tab in value", b"X: a\tb\r\n"),
            ("bytes above 127", b"X: \xc3\xa9\xff\r\n"),
            ("odd but right name", b"!#$%&'*+-.^_`|~09: y\r\n"),
            ("same field twice", b"X: a\r\nX: b\r\n"),
            ("99 fields", b"".join(b"X%d: y\r\n" % i for i in range(98))),
            ("underscores", b"Content_Length: 5\r\nTransfer_Encoding: "
             b"chunked\r\n"),
            ("Upgrade that is not known", b"Connection: Upgrade\r\n"
             b"Upgrade: foo/9\r\n"),
            ("Upgrade without Connection", b"Upgrade: websocket\r\n"),
            ("websocket of no handler", b"Connection: Upgrade\r\n"
             b"Upgrade: websocket\r\nSec-WebSocket-Version: 99\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            ("h2c", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
             b"HTTP2-Settings: AAMAAABkAARAAAAA\r\n"),
            ("long cookie", b"Cookie: a=" + b"b" * 4000 + b"\r\n"),
            ("strange cookies", b"Cookie: =;;a;=b;\"\r\n"),
            ("Accept of nonsense", b"Accept: ;;;,q=x\r\n")):
        yield name, get(f), (200,), KEEP
    yield "10,000 fields", get(b"X: y\r\n" * 10000), (431,), CLOSE
    yield "200 fields", get(b"X: y\r\n" * 200), (431,), CLOSE
    yield "long name", get(b"X" * 100000 + b": y\r\n"), (431,), CLOSE
    yield "long value", get(b"X: " + b"y" * 100000 + b"\r\n"), (431,), CLOSE


def lengths():
    for v in (b"", b" ", b"+5", b"-5", b"-0", b"+0", b"0,0", b"5,5", b"5, 5",
              b"5,6", b"5 5", b"0x5", b"5_", b"0o5", b"5.0", b"5e0", b"five",
              b"5;", b"\"5\"", b"18446744073709551616",
              b"9223372036854775808", b"9" * 100, b"\x0b5", b"5\x00",
              b"00", b"005", b"0005", b"0200"):
        yield "Content-Length: %r" % v[:24], length(v), BAD, CLOSE
    yield "Content-Length: blanks around", post(
        b"Content-Length: \t 5 \t\r\n", b"hello"), (200,), KEEP
    yield "Content-Length: 5", length(b"5"), (200,), KEEP
    yield "Content-Length: 0", post(b"Content-Length: 0\r\n"), (200,), KEEP
    yield "POST without a length", post(), (200,), KEEP
    yield "Content-Length twice", post(
        b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"), BAD, CLOSE
    yield "Content-Length twice, different", post(
        b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"), BAD, CLOSE
    yield "Content-Length over the limit", post(
        b"Content-Length: 9223372036854775807\r\n"), (413,), CLOSE
    yield "two Content-Types", post(
        b"Content-Length: 5\r\nContent-Type: text/plain\r\n"
        b"Content-Type: text/html\r\n", b"hello"), BAD, CLOSE
    yield "Range of a POST", post(
        b"Content-Length: 5\r\nRange: bytes=0-10\r\n", b"hello"), (200,), KEEP
    yield "bytes behind a body of none", post(
        b"Content-Length: 0\r\n", b"X"), (200,), ANY
    yield "GET with a body", get(b"Content-Length: 5\r\n",
                                 body=b"hello"), (200,), KEEP
    yield "HEAD with a body", line(
        b"HEAD / HTTP/1.1", b"Content-Length: 5\r\n", b"hello"), (200,), KEEP
    yield "GET with a request as its body", get(
        b"Content-Length: 40\r\n",
        body=b"GET /none HTTP/1.1\r\nHost: h\r\nX: abcd\r\n\r\n"), (200,), KEEP


def encodings():
    cl = b"Content-Length: 5\r\n"
    yield "chunked", te(b" chunked"), (200,), KEEP
    yield "Chunked", te(b" Chunked"), (200,), KEEP
    yield "tab before chunked", te(b"\tchunked"), (200,), KEEP
    yield "blank behind chunked", te(b" chunked "), (200,), KEEP
    yield "TRANSFER-ENCODING", post(
        b"TRANSFER-ENCODING: chunked\r\n", b"0\r\n\r\n"), (200,), KEEP
    for v in (b" chunked", b" identity", b" xchunked", b" chunked ", b"",
              b" chunked, chunked", b" Chunked", b"\x0bchunked", b" ,chunked",
              b" chunked;q=1", b"\r\n chunked"):
        yield "TE:%r and a length" % v, te(v, cl), BAD, CLOSE
    for name, f in (
            ("a length with a plus", b"Content-Length: +50\r\n"
             b"Transfer-Encoding: chunked\r\n"),
            ("a length with a letter", b"Content-Length: 50x\r\n"
             b"Transfer-Encoding: chunked\r\n"),
            ("a folded TE", b"Transfer-Encoding:\r\n chunked\r\n"
             b"Content-Length: 50\r\n"),
            ("two TEs", b"Transfer-Encoding: chunked\r\n"
             b"Transfer-Encoding: identity\r\nContent-Length: 50\r\n"),
            ("two lengths", b"Content-Length: 4\r\nContent-Length: 50\r\n")):
        yield ("a request behind %s" % name, post(f, b"0\r\n\r\n" + MORE),
               BAD, CLOSE)
    yield "OPTIONS with a folded TE", line(
        b"OPTIONS / HTTP/1.1", b"Transfer-Encoding:\r\n chunked\r\n" + cl,
        b"hello"), BAD, CLOSE
    yield "length and chunked", post(
        cl + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + MORE), BAD, CLOSE
    yield "chunked and length", post(
        b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n",
        b"0\r\n\r\n" + MORE), BAD, CLOSE
    for v in (b"", b" ", b" ,", b" chunked, chunked", b" chunked, gzip",
              b" chunked\x00", b" \x0bchunked", b" \x0cchunked",
              b" chun\rked"):
        yield "TE:%r" % v, te(v), BAD, CLOSE
    for v in (b" identity, chunked", b" chunked;ext=val", b" gzip", b" gzip, chunked", b" identity", b" xchunked",
              b" \"chunked\"", b" chunked;a=b", b" foo", b" chunked-x"):
        yield "TE:%r" % v, te(v), (400, 501), CLOSE
    for v in (b" chunked,", b" ,chunked"):
        yield "TE:%r" % v, te(v), (200, 400), ANY
    yield "two lines of chunked", post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\n"), BAD, CLOSE
    yield "chunked, then identity", post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"0\r\n\r\n"), BAD, CLOSE
    yield "blank before TE's colon", post(
        b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), BAD, CLOSE
    yield "folded TE", post(
        b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), BAD, CLOSE
    yield "HTTP/1.0 and chunked", line(
        b"POST /echo HTTP/1.0", b"Transfer-Encoding: chunked\r\n",
        b"0\r\n\r\n"), BAD, CLOSE
    yield "chunked GET", get(b"Transfer-Encoding: chunked\r\n",
                             body=b"5\r\nhello\r\n0\r\n\r\n"), (200,), KEEP


def chunks():
    for name, body in (
            ("one chunk", b"5\r\nhello\r\n0\r\n\r\n"),
            ("two chunks", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
            ("no chunk", b"0\r\n\r\n"), ("zeros", b"000\r\n\r\n"),
            ("upper-case hex", b"A\r\n0123456789\r\n0\r\n\r\n"),
            ("leading zeros", b"0005\r\nhello\r\n0\r\n\r\n"),
            ("extension", b"5;a=b\r\nhello\r\n0\r\n\r\n"),
            ("extension without a value", b"5;a\r\nhello\r\n0\r\n\r\n"),
            ("extension in quotes", b"5;a=\"b;\\\"c\"\r\nhello\r\n0\r\n\r\n"),
            ("two extensions", b"5;a=b;c=d\r\nhello\r\n0;e\r\n\r\n"),
            ("blanks around ;", b"5 ; a = b\r\nhello\r\n0\r\n\r\n"),
            ("trailer", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
            ("trailer that must not count",
             b"0\r\nContent-Length: 50\r\nHost: evil\r\n\r\n")):
        yield "chunks: " + name, chunked(body), (200,), KEEP
    for name, body in (
            ("no size", b"\r\nhello\r\n0\r\n\r\n"),
            ("0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
            ("underscore", b"1_0\r\nhello\r\n0\r\n\r\n"),
            ("minus", b"-5\r\nhello\r\n0\r\n\r\n"),
            ("plus", b"+5\r\nhello\r\n0\r\n\r\n"),
            ("blank first", b" 5\r\nhello\r\n0\r\n\r\n"),
            ("blank behind", b"5 \r\nhello\r\n0\r\n\r\n"),
            ("letters", b"xyz\r\nhello\r\n0\r\n\r\n"),
            ("no CRLF behind", b"5\r\nhello0\r\n\r\n"),
            ("more than it says", b"5\r\nhello!!\r\n0\r\n\r\n"),
            ("less than it says", b"6\r\nhello\r\n0\r\n\r\n"),
            ("; alone", b"5;\r\nhello\r\n0\r\n\r\n"),
            ("bracket in an extension", b"5;bad[=x\r\nhello\r\n0\r\n\r\n"),
            ("plus before a last chunk", b"+0\r\n\r\nX"),
            ("; and LF", b"5;\nhello\r\n0\r\n\r\n"),
            ("17 digits", b"FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n"),
            ("; =", b"5;=b\r\nhello\r\n0\r\n\r\n"),
            ("extension without its value", b"5;a=\r\nhello\r\n0\r\n\r\n"),
            ("open quote", b"5;a=\"b\r\nhello\r\n0\r\n\r\n"),
            ("NUL in the extension", b"5;a\x00\r\nhello\r\n0\r\n\r\n"),
            ("CR in the extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
            ("LF in the extension", b"5;a\nhello\r\n0\r\n\r\n"),
            ("LF behind the size", b"5\nhello\r\n0\r\n\r\n"),
            ("CR alone behind the size", b"5\rhello\r\n0\r\n\r\n"),
            ("LF behind the data", b"5\r\nhello\n0\r\n\r\n"),
            ("LF at the end", b"0\n\n"), ("LF, CRLF", b"0\n\r\n"),
            ("LF in the trailer", b"0\r\nX: y\n\r\n"),
            ("LF behind the trailer", b"0\r\nX: y\r\n\n"),
            ("folded trailer", b"0\r\nX: y\r\n z\r\n\r\n"),
            ("blank before the trailer's colon", b"0\r\nX : y\r\n\r\n"),
            ("trailer without colon", b"0\r\nnothing\r\n\r\n"),
            ("NUL in the trailer", b"0\r\nX: \x00\r\n\r\n"),
            ("2^64", b"10000000000000000\r\nhello\r\n0\r\n\r\n"),
            ("2^64 - 1", b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
            ("many digits", b"0" * 100 + b"5\r\nhello\r\n0\r\n\r\n"),
            ("long extension", b"5;" + b"a" * 65536 +
             b"\r\nhello\r\n0\r\n\r\n"),
            ("long trailer", b"0\r\n" + b"X: y\r\n" * 20000 + b"\r\n")):
        yield "chunks: " + name, chunked(body), BAD, CLOSE


def conditions():
    ims = b"If-Modified-Since: "
    for name, f, status in (
            ("If-None-Match *", b"If-None-Match: *\r\n", 304),
            ("If-None-Match, ours", b"If-None-Match: %ETAG%\r\n", 304),
            ("If-None-Match, weak", b"If-None-Match: W/%ETAG%\r\n", 304),
            ("If-None-Match, list", b"If-None-Match: \"a,b\", %ETAG%\r\n",
             304),
            ("If-None-Match, other", b"If-None-Match: \"x\"\r\n", 200),
            ("If-None-Match over a date", b"If-None-Match: \"x\"\r\n" + ims +
             b"%DATE%\r\n", 200),
            ("If-Match *", b"If-Match: *\r\n", 200),
            ("If-Match, ours", b"If-Match: %ETAG%\r\n", 200),
            ("If-Match, weak", b"If-Match: W/%ETAG%\r\n", 412),
            ("If-Match, other", b"If-Match: \"x\"\r\n", 412),
            ("unmodified", ims + b"%DATE%\r\n", 304),
            ("modified", ims + b"Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200),
            ("rfc850 date", ims + b"Sunday, 06-Nov-94 08:49:37 GMT\r\n", 200),
            ("asctime date", ims + b"Sun Nov  6 08:49:37 1994\r\n", 200),
            ("later than now", ims + b"Fri, 01 Jan 2100 00:00:00 GMT\r\n",
             200),
            ("no date", ims + b"yesterday\r\n", 200),
            ("If-Unmodified-Since, old", b"If-Unmodified-Since: Sun, 06 Nov "
             b"1994 08:49:37 GMT\r\n", 412),
            ("If-Unmodified-Since, now", b"If-Unmodified-Since: %DATE%\r\n",
             200),
            ("If-Unmodified-Since, no date", b"If-Unmodified-Since: x\r\n",
             200),
            ("range", b"Range: bytes=0-9\r\n", 206),
            ("range, suffix", b"Range: bytes=-9\r\n", 206),
            ("range, open", b"Range: bytes=9-\r\n", 206),
            ("range, clamped", b"Range: bytes=9-99999\r\n", 206),
            ("two ranges", b"Range: bytes=0-1,5-6\r\n", 206),
            ("range behind the end", b"Range: bytes=1000-\r\n", 416),
            ("range, suffix 0", b"Range: bytes=-0\r\n", 416),
            ("range, other unit", b"Range: lines=0-9\r\n", 200),
            ("range, backwards", b"Range: bytes=9-0\r\n", 200),
            ("range, nonsense", b"Range: bytes=a-b\r\n", 200),
            ("range, empty", b"Range: bytes=\r\n", 200),
            ("ranges that overlap", b"Range: bytes=" + b"0-," * 50 +
             b"0-\r\n", 200),
            ("If-Range, ours", b"If-Range: %ETAG%\r\nRange: bytes=0-9\r\n",
             206),
            ("If-Range, weak", b"If-Range: W/%ETAG%\r\nRange: bytes=0-9\r\n",
             200),
            ("If-Range, other", b"If-Range: \"x\"\r\nRange: bytes=0-9\r\n",
             200)):
        yield name, get(f, b"/file.txt"), (status,), KEEP
    yield ("range of a HEAD", line(b"HEAD /file.txt HTTP/1.1",
           b"Range: bytes=0-9\r\n"), (200,), KEEP)


def connections():
    for v in (b"close", b"Close", b"CLOSE", b"x, close", b"close, keep-alive",
              b"keep-alive, close", b"x,,close"):
        yield ("Connection: " + v.decode(), get(b"Connection: " + v + b"\r\n"),
               (200,), CLOSE)
    yield "two Connections", get(
        b"Connection: x\r\nConnection: close\r\n"), (200,), CLOSE
    for v in (b"keep-alive", b"closed", b"x", b""):
        yield ("Connection: " + v.decode(), get(b"Connection: " + v + b"\r\n"),
               (200,), KEEP)
    yield "HTTP/1.0", line(b"GET / HTTP/1.0"), (200,), CLOSE
    for v in (b"keep-alive", b"Keep-Alive", b"KEEP-ALIVE"):
        yield ("HTTP/1.0 and " + v.decode(), line(b"GET / HTTP/1.0",
               b"Connection: " + v + b"\r\n"), (200,), KEEP)
    yield "Expect", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n",
                         b"hello"), (100, 200), KEEP
    yield "Expect, upper case", post(
        b"Expect: 100-CONTINUE\r\nContent-Length: 5\r\n", b"hello"), \
        (100, 200), KEEP
    yield "Expect and no body", get(b"Expect: 100-continue\r\n"), (200,), ANY
    yield "other Expect", get(b"Expect: 200-ok\r\n"), (417,), ANY
    yield "Expect of 1.0", line(
        b"POST /echo HTTP/1.0", b"Expect: 100-continue\r\n"
        b"Content-Length: 5\r\n", b"hello"), (200,), CLOSE
    yield "nothing", b"", (0,), ANY
    yield "half a request line", b"GET / HT", (0, 400, 408), ANY
    yield "half a head", b"GET / HTTP/1.1\r\nHost: h\r\n", (0, 400, 408), ANY
    yield "half a body", post(b"Content-Length: 10\r\n", b"hello"), \
        (0, 400, 408), ANY
    yield "chunks without end", chunked(b"5\r\nhello\r\n"), (0, 400, 408), ANY


def cases():
    """(group, name, bytes, statuses, end) of every request."""
    for group in (methods, request_lines, targets, hosts, fields, lengths,
                  encodings, chunks, conditions, connections):
        for name, data, allowed, end in group():
            yield group.__name__, name, data, allowed, end


class Reader:
    """Answers from one connection."""

    def __init__(self, sock):
        self.sock, self.buf, self.eof = sock, b"", False

    def more(self):
        """Read on; False: the connection ended, or nothing came in time."""
        try:
            got = self.sock.recv(65536)
        except socket.timeout:
            return False
        except OSError:
            got = b""
        self.eof = not got
        self.buf += got
        return bool(got)

    def take(self, mark):
        while mark not in self.buf:
            if not self.more():
                return None
        head, _, self.buf = self.buf.partition(mark)
        return head

    def answer(self, head_only):
        """(status, head), or (0, b"") if there is none."""
        head = self.take(b"\r\n\r\n")
        if head is None:
            return 0, b""
        m = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        if m is None:
            return -1, head
        status = int(m.group(1))
        if head_only or status in (204, 304) or status < 200:
            return status, head
        if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
            while True:
                size = int(self.take(b"\r\n") or b"0", 16)
                if size == 0:
                    self.take(b"\r\n")
                    return status, head
                self.body(size + 2)
        m = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if m is None or not self.body(int(m.group(1))):
            return -2, head
        return status, head

    def body(self, n):
        while len(self.buf) < n:
            if not self.more():
                return False
        self.buf = self.buf[n:]
        return True


def fields_wrong(status, head, method):
    """What is wrong with the fields of an answer, or None."""
    low = head.lower()
    if status >= 200 and b"\r\ndate: " not in low:
        return "no Date"
    if status == 405 and b"\r\nallow: " not in low:
        return "no Allow"
    if status == 204 and b"\r\ncontent-length" in low:
        return "a length with 204"
    if status == 304 and b"\r\netag: " not in low:
        return "304 without ETag"
    if status == 416 and b"\r\ncontent-range: bytes */" not in low:
        return "416 without Content-Range"
    if method == b"OPTIONS" and status < 300 and b"\r\nallow: " not in low:
        return "no Allow"
    return None


class Probe:
    def __init__(self, host, port=80, name=None, wait=3.0):
        self.where, self.wait = (host, port), wait
        self.name = (name or host).encode()
        self.etag = self.date = b""
        head = self.send(MORE.replace(b"%HOST%", self.name), ANY)[1]
        m = re.search(rb'(?i)\r\netag: *("[^\r]*")', head)
        self.etag = m.group(1) if m else b'"none"'
        m = re.search(rb"(?i)\r\nlast-modified: *([^\r]*)", head)
        self.date = m.group(1) if m else b"none"

    def fill(self, data):
        for mark, value in ((b"%HOST%", self.name), (b"%ETAG%", self.etag),
                            (b"%DATE%", self.date)):
            data = data.replace(mark, value)
        return data

    def send(self, data, end, quiet=False):
        """(status, head, how it ended) of a request on its own connection."""
        method = data.lstrip().split(b" ")[0]
        with socket.create_connection(self.where, timeout=self.wait) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            r = Reader(s)
            try:
                s.sendall(data)
            except OSError:     # refused before all was sent
                pass
            if quiet:           # an answer may well not come
                s.settimeout(0.3)
            status, head = r.answer(method == b"HEAD")
            if status == 100:
                status, head = r.answer(False)
            if end == KEEP and status > 0:
                more = MORE.replace(b"%HOST%", self.name)
                try:
                    s.sendall(more)
                except OSError:
                    pass
                return status, head, (KEEP if r.answer(False)[0] == 200
                                      else CLOSE)
            if end == CLOSE:
                while not r.eof and not r.buf and r.more():
                    pass
                if r.buf:
                    return status, head, "a second answer"
            return status, head, CLOSE if r.eof else KEEP

    def run(self):
        """Yield (group, name, status, ended, complaint or None) of each."""
        for group, name, data, allowed, end in cases():
            data = self.fill(data)
            status, head, ended = self.send(data, end, 0 in allowed)
            wrong = None
            if status not in allowed:
                wrong = "status %d, allowed %s" % (
                    status, " ".join(map(str, allowed)))
            elif end != ANY and ended != end and not (
                    status == 0 and end == CLOSE and ended != KEEP):
                wrong = "must %s, but: %s" % (end, ended)
            elif status > 0:
                wrong = fields_wrong(status, head, data.split(b" ")[0])
            yield group, name, status, ended, wrong


def main(argv):
    if len(argv) < 2:
        sys.exit(__doc__)
    probe = Probe(argv[1], int(argv[2]) if len(argv) > 2 else 80,
                  argv[3] if len(argv) > 3 else None)
    n = bad = 0
    for group, name, status, ended, wrong in probe.run():
        n += 1
        if wrong:
            bad += 1
            print("%-14s %-36s %s" % (group, name, wrong))
    print("%d requests, %d answered wrongly" % (n, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
