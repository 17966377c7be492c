"""A changed configuration and changed files, while the instance runs."""
import contextlib
import os
import shutil
import signal
import socket
import threading
import time

from lib import (Instance, OURS, Reply, TMP, claim, connect, curl, echo,
                 equal, get, http, kill, read, starfish, test, url,
                 wait_for, write)
from t_stream import noise


def root(name="www", text="one"):
    write("%s/%s/index.html" % (TMP, name), text)
    os.chmod(TMP + "/" + name, 0o755)


def change(i, old, new):
    """Change the configuration's text."""
    text = read(i.file)
    claim(old in text, "no %r in %s" % (old, text))
    write(i.file, text.replace(old, new))


@test
def files_and_options_are_taken_up_by_reload():
    root()
    with Instance([http(), echo()]) as i:
        pids = i.pids()
        with connect() as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            equal(Reply(s).body, b"one", "before")
            root(text="two two")
            write(TMP + "/www/new.txt", "new")
            equal(get("/").body, b"one", "until it is said")
            out = i.cli("reload").stdout
            claim("generation 2" in out, "reload: %r" % out)
            # the same connection sees it too
            s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            equal(Reply(s).body, b"two two", "after, on an old connection")
        equal(get("/new.txt").body, b"new", "a new file")
        change(i, 'echo = "/echo"', 'echo = "/echo"; server = "other"; '
               'max_uri = 100; listing = true')
        i.cli("reload")
        r = get("/")
        equal(r.fields["server"], "other", "Server")
        equal(get("/" + "a" * 200).status, 414, "the new limit")
        claim('server = "other"' in i.cli("config", "show").stdout,
              "shown as it runs")
        # the next process of a slot has it as well
        kill(i.pids()[0])
        wait_for("another worker", lambda: i.pids()[0] not in
                 (0, pids[0]) and i.well())
        for _ in range(8):
            equal(get("/").fields["server"], "other", "after a kill")
        equal(get("/new.txt").body, b"new", "and its files")


@test
def what_cannot_change_is_named_and_what_is_wrong_changes_nothing():
    root()
    with Instance([http(count=1)]) as i:
        change(i, "buffers = 4096", "buffers = 8192")
        change(i, 'echo = "/echo"', 'echo = "/echo"; server = "new"; ws = '
               '"/ws"')
        out = i.cli("reload").stdout
        claim("memory.buffers" in out and "workers.web.http.ws" in out,
              "named: %r" % out)
        equal(get("/").fields["server"], "new", "the rest is changed")
        root(text="two")
        change(i, 'server = "new"', 'server = "newer"; max_uri = "x"')
        p = i.cli("reload", ok=(1,))
        text = p.stdout + p.stderr
        line = 1 + read(i.file)[:read(i.file).index('max_uri')].count("\n")
        claim("%s:%d:" % (i.file, line) in text, "where: %r" % text)
        claim("nothing was changed" in text, "said: %r" % text)
        change(i, '; max_uri = "x"', "")
        change(i, 'echo = "/echo"', 'echo = "echo"')
        p = i.cli("reload", ok=(1,))
        claim("must start with" in p.stdout + p.stderr, "check: %r" % p)
        equal(get("/").fields["server"], "new", "options stay")
        equal(get("/").body, b"one", "and files")
        change(i, 'echo = "echo"', 'echo = "/echo"')
        os.rename(TMP + "/www", TMP + "/gone")
        p = i.cli("reload", ok=(1,))
        claim(TMP + "/www" in p.stdout + p.stderr, "root: %r" % p.stdout)
        equal(get("/").body, b"one", "files stay")
        os.rename(TMP + "/gone", TMP + "/www")
        # more than there is room for
        write(TMP + "/www/large", noise(9_000_000))
        p = i.cli("reload", ok=(1,))
        claim("needs" in p.stdout + p.stderr, "no room: %r" % p.stdout)
        equal(get("/").fields["server"], "new", "options stay once more")
        os.unlink(TMP + "/www/large")
        i.cli("reload")
        equal(get("/").body, b"two", "at last")
        equal(get("/").fields["server"], "newer", "all of it")


@test
def a_new_entry_before_another_one_changes_nothing_of_it():
    root()
    with Instance([http(count=1, extra='server = "web"')]) as i:
        new = http(name="new", count=1, extra='server = "new"').replace(
            ":80", ":81")
        change(i, "workers = (", "workers = ( %s," % new)
        out = i.cli("reload").stdout
        claim("0 options" in out and "workers.new.name" in out,
              "named: %r" % out)
        equal(get("/").fields["server"], "web", "Server")


@test
def a_download_ends_with_the_files_it_began_with():
    root()
    old = noise(4_000_000, 1)
    write(TMP + "/www/cached.bin", old)
    write(TMP + "/www/streamed.bin", old)
    memory = "reload_room = 100;"
    with Instance([http(count=1)], memory=memory) as i:
        socks = []
        for name in (b"cached", b"streamed"):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            s.settimeout(20)
            s.connect((OURS, 80))
            s.sendall(b"GET /%s.bin HTTP/1.1\r\nHost: h\r\n\r\n" % name)
            socks.append((s, s.recv(4096)))
        new = noise(4_000_000, 2)
        write(TMP + "/www/x", new)
        os.rename(TMP + "/www/x", TMP + "/www/cached.bin")
        i.cli("reload")
        equal(curl(url("/cached.bin")).stdout, new, "a new request")
        p = i.cli("reload", ok=(1,))
        claim("try again later" in p.stdout + p.stderr, "twice: %r" %
              (p.stdout + p.stderr))
        kill(i.pids()[0])
        for s, got in socks:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            while len(got) < len(old):
                more = s.recv(1 << 20)
                claim(more, "cut after %d" % len(got))
                got += more
            head, _, body = got.partition(b"\r\n\r\n")
            while len(body) < len(old):
                body += s.recv(1 << 20)
            equal(body == old, True, "the old bytes")
            s.close()
        wait_for("room for another generation", lambda: i.cli(
            "reload", ok=(0, 1)).returncode == 0)
        equal(curl(url("/cached.bin")).stdout, new, "in the end")


def slow_get(path):
    """A connection whose answer begins, and stays unread."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    s.settimeout(20)
    s.connect((OURS, 80))
    s.sendall(b"GET %s HTTP/1.1\r\nHost: h\r\n\r\n" % path)
    return s, s.recv(4096)


def until_dead(i, slot):
    """Kill what sits in a slot until it stays DEAD."""
    seen = set()

    def again():
        w = i.workers()[slot]
        if w["state"] == "SERVING" and w["pid"] not in seen:
            seen.add(w["pid"])
            kill(w["pid"])
        return w["state"] == "DEAD" and w["pid"] == 0 and len(seen) >= 5
    wait_for("slot %d stays DEAD" % slot, again, 30)


@test
def a_slot_that_stays_dead_does_not_forbid_reloads():
    root()
    old = {b"/cached.bin": noise(2_000_000, 1),
           b"/streamed.bin": noise(4_000_000, 2)}
    memory = "reload_room = 100; cache_file_max = 3000000;"
    for path, body in old.items():
        write(TMP + "/www" + path.decode(), body)
    patient = "keepalive_timeout_ms = 60000; send_timeout_ms = 60000;"
    with Instance([http(count=1, extra=patient)], memory=memory) as i:
        idle = connect()
        idle.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        equal(Reply(idle).body, b"one", "before")
        socks = [(s, got, old[path]) for path in old
                 for s, got in [slow_get(path)]]
        until_dead(i, 0)
        for n in range(3):
            root(text="text %d" % n)
            for path, body in old.items():
                write(TMP + "/x", noise(len(body), 10 + n))
                os.rename(TMP + "/x", TMP + "/www" + path.decode())
            out = i.cli("reload").stdout
            claim("generation %d" % (n + 2) in out, "reload: %r" % out)
        i.cli("revive", "0")
        wait_for("well again", i.well, 10)
        # the one between two requests goes on
        idle.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        equal(Reply(idle).body, b"text 2", "after")
        # those in the middle of a file end: never with other bytes
        for s, got, body in socks:
            ended = False
            try:
                while more := s.recv(1 << 20):
                    got += more
            except ConnectionResetError:
                ended = True
            got = got.partition(b"\r\n\r\n")[2]
            claim(ended and len(got) < len(body), "reset: %s after %d" %
                  (ended, len(got)))
            claim(body.startswith(got), "the old bytes, %d of them" %
                  len(got))
            s.close()
        idle.close()
        equal(curl(url("/streamed.bin")).stdout, noise(4_000_000, 12), "anew")


@test
def a_dead_slot_of_another_service_does_not_forbid_reloads():
    root()
    with Instance([http(count=1), echo()]) as i:
        until_dead(i, 1)
        for n in range(3):
            root(text="text %d" % n)
            begun = time.monotonic()
            i.cli("reload")
            claim(time.monotonic() - begun < 2.5, "nobody is waited for")
            equal(get("/").body, b"text %d" % n, "served")


@test
def reloads_while_connections_move_change_no_download():
    root()
    size = {b"/cached.bin": 1_000_000, b"/streamed.bin": 2_000_000}
    memory = "reload_room = 100; cache_file_max = 1500000;"
    version = {}

    def new(n):
        for path, length in size.items():
            # one that is read from the disk has to be there still
            if n > 0 and path == b"/streamed.bin":
                continue
            version[path, n] = noise(length, 100 * n + length % 7)
            write(TMP + "/x", version[path, n])
            os.rename(TMP + "/x", TMP + "/www" + path.decode())
    new(0)
    stop, bad, done = threading.Event(), [], []

    def load(path):
        while not stop.is_set():
            s, got = slow_get(path)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            try:
                head, _, body = got.partition(b"\r\n\r\n")
                while len(body) < size[path]:
                    more = s.recv(1 << 16)
                    if not more:
                        break
                    body += more
                    time.sleep(0.005)
            except OSError as e:
                bad.append("%s: %s" % (path, e))
                continue
            finally:
                s.close()
            if not any(body == v for (p, _), v in version.items()
                       if p == path):
                bad.append("%s: %d bytes of no version" % (path, len(body)))
            done.append(path)
    web = http(count=1, entry="spare = 1;")
    with Instance([web], memory=memory) as i:
        threads = [threading.Thread(target=load, args=(path,))
                   for path in list(size) * 6]
        for t in threads:
            t.start()
        reloads = 0
        for n in range(1, 5):
            new(n)
            i.cli("add", "web")
            reloads += i.cli("reload", ok=(0, 1)).returncode == 0
            wait_for("it serves", i.well)
            move = threading.Thread(target=lambda: i.cli("drain", "1"))
            move.start()
            reloads += i.cli("reload", ok=(0, 1)).returncode == 0
            move.join()
        stop.set()
        for t in threads:
            t.join(30)
        print("%d downloads, %d reloads" % (len(done), reloads))
        claim(len(done) > 20 and reloads > 1, "enough of both")
        equal(bad, [], "downloads")


@test
def a_link_may_lead_to_another_directory():
    root("v1", "one")
    root("v2", "two")
    os.symlink("v1", TMP + "/www")
    big = noise(300_000)
    write(TMP + "/v2/big", big)
    os.chmod(TMP, 0o755)
    with Instance([http(count=1)], memory="cache_file_max = 100000;") as i:
        equal(get("/").body, b"one", "first")
        os.symlink("v2", TMP + "/next")
        os.rename(TMP + "/next", TMP + "/www")
        i.cli("reload")
        equal(get("/").body, b"two", "then")
        equal(curl(url("/big")).stdout, big, "and streamed")
        pid = i.pids()[0]
        kill(pid)
        wait_for("another worker", lambda: i.pids()[0] not in (0, pid) and
                 i.well())
        equal(get("/").body, b"two", "after a kill")
        equal(curl(url("/big")).stdout, big, "and streamed")


@test
def a_root_that_went_away_stops_no_worker():
    """An old release is removed after the link leads to a new one."""
    root("v1", "one")
    root("v2", "two")
    os.symlink("v1", TMP + "/www")
    os.chmod(TMP, 0o755)
    with Instance([http(count=1)], extra="standby = 0;") as i:
        equal(get("/").body, b"one", "first")
        os.symlink("v2", TMP + "/next")
        os.rename(TMP + "/next", TMP + "/www")
        change(i, 'echo = "/echo"', 'echo = "/echo"; server = "other"')
        i.cli("reload")
        shutil.rmtree(TMP + "/v1")
        pid = i.pids()[0]
        kill(pid)
        wait_for("another worker", lambda: i.pids()[0] not in (0, pid) and
                 i.well())
        equal(get("/").body, b"two", "after a kill")
        # a supervisor that takes over reads the same copy
        kill(i.status()["supervisor"]["pid"])
        starfish("up", "--adopt", "-n", i.name, "--detach")
        equal(get("/").body, b"two", "with another supervisor")
        # and a new generation has what was served last
        kill(i.status()["primary"]["pid"])
        wait_for("its death is seen", lambda: not i.well())
        i.cli("renew")
        wait_for("generation 2", lambda: i.well() and
                 i.status()["generation"] == 2, 20)
        r = get("/")
        equal(r.body, b"two", "from a new primary")
        equal(r.fields["server"], "other", "and with the changed options")


@test
def a_hangup_reloads_a_supervisor():
    # under nohup a supervisor ignores it, as asked; so may our caller
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    root()
    with Instance([http(count=1)]) as i:
        root(text="two")
        kill(int(read("/run/starfish/%s/pid" % i.name).split()[0]), 1)
        wait_for("the new file", lambda: get("/").body == b"two")


@test
def reloads_under_load_lose_nothing():
    root()
    with Instance([http()]) as i:
        end = time.monotonic() + 4
        n = reloads = 0
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect()) for _ in range(20)]
            while time.monotonic() < end:
                for s in socks:
                    s.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                if n % 400 == 0:
                    root(text="text %d" % reloads)
                    i.cli("reload")
                    reloads += 1
                for s in socks:
                    r = Reply(s)
                    equal(r.status, 200, "status")
                    claim(r.body.startswith((b"text", b"one")), "body: %r" %
                          r.body)
                    n += 1
        claim(reloads >= 3, "only %d reloads" % reloads)
        i.cli("reload")
        equal(get("/").body, b"text %d" % (reloads - 1), "the last one")
