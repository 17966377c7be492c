"""Who may do what: workers without rights, files and sockets closed."""
import os
import socket
import stat
import subprocess

from lib import (Instance, claim, equal, get, kill, read, test,
                 wait_for)
from t_files import content, www


def status_of(pid):
    """/proc/PID/status as a dictionary."""
    return dict(line.split(":", 1) for line in
                read("/proc/%d/status" % pid).splitlines() if ":" in line)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@test
def workers_keep_no_rights():
    www((1000,))
    i = Instance()
    i.up()
    for pid in i.pids().values():
        for task in os.listdir("/proc/%d/task" % pid):
            s = status_of(int(task))
            equal(s["Uid"].split(), ["65534"] * 4, "user of %s" % task)
            equal(s["Gid"].split(), ["65534"] * 4, "group")
            equal(s["Groups"].split(), [], "further groups")
            for c in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                equal(int(s[c], 16), 0, c)
            equal(s["NoNewPrivs"].strip(), "1", "no_new_privs")
            equal(s["Seccomp"].strip(), "2", "seccomp filter")
    equal(get("/f1000.bin").body, content(1000), "and they serve")
    first = i.pids()[0]
    kill(first)
    wait_for("slot 0 is back", lambda: i.replaced(0, first))
    equal(int(status_of(i.pids()[0])["CapEff"], 16), 0, "the successor's")
    equal(get("/f1000.bin").body, content(1000), "and it serves")
    i.down()


@test
def a_worker_may_stay_root_where_it_is_said():
    www((1000,))
    i = Instance(extra='security = { user = "root"; seccomp = "off"; };')
    i.up()
    s = status_of(i.pids()[0])
    equal(s["Uid"].split()[0], "0", "user")
    equal(s["Seccomp"].strip(), "0", "filter")
    equal(get("/f1000.bin").body, content(1000), "and it serves")
    i.down()


@test
def files_of_an_instance_are_closed_to_others():
    www((1000,))
    i = Instance()
    i.up()
    run = "/run/starfish/" + i.name
    claim(mode(run) & 0o022 == 0, "nobody else writes to the directory")
    equal(mode(run + "/board"), 0o640, "board")
    equal(mode(run + "/out"), 0o750, "out")
    equal(os.stat(run + "/out").st_uid, 65534, "out is the workers'")
    for f in os.listdir(run):
        if f.startswith("bell-"):
            equal(mode(run + "/" + f), 0o600, f)
    s = [f for f in os.listdir(run)
         if stat.S_ISSOCK(os.stat(run + "/" + f).st_mode)]
    claim(s, "there is a control socket")
    for f in s:
        equal(mode(run + "/" + f), 0o600, f)
    # opened to all, it still asks who talks
    os.chmod(run + "/" + s[0], 0o666)
    code = ("import socket,sys; s = socket.socket(socket.AF_UNIX); "
            "s.connect(sys.argv[1]); s.sendall(b'down\\n'); "
            "print(s.recv(200).decode())")
    p = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups",
                        "python3", "-c", code, run + "/" + s[0]],
                       capture_output=True, text=True, timeout=20)
    claim("not this instance's user" in p.stdout + p.stderr or
          "Broken pipe" in p.stderr or "reset" in p.stderr,
          "a stranger is refused: " + p.stdout + p.stderr)
    claim(i.well(), "and nothing happened")
    equal(get("/f1000.bin").body, content(1000), "it serves")
    i.down()
