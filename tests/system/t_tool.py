"""The control tool, misused: what was found, what is allowed, nothing done."""
import json
import os
import shutil

from lib import (BUILD, TMP, Instance, claim, equal, get, http, read,
                 sh, starfish, test, wait_for, write)
from t_files import www

# words, exit status, what the answer says
ALONE = (
    (["-n", "../x", "status"], 1, "allowed 1 to 31 letters"),
    (["-n", "a" * 40, "status"], 1, "allowed 1 to 31 letters"),
    (["wget", "http://"], 2, "no host"),
    (["wget", "http://127.0.0.1:99999/"], 2, "PORT 1 to 65535"),
    (["wget", "http://127.0.0.1/a b"], 2, "allowed http://"),
    (["wget", "http://127.0.0.1/", "--flows", "0"], 2, "flows: no limit"),
    (["wget", "http://127.0.0.1/", "--verify", "/none"], 2,
     "--verify /none: No such file"),
    (["wget", "http://127.0.0.1/", "--verify", "/etc"], 2, "Is a directory"),
    (["wget", "http://127.0.0.1/", "--save", "/etc/passwd"], 2,
     "--save /etc/passwd: Not a directory"),
    (["wget", "http://127.0.0.1/", "--save", "/none/none"], 2,
     "--save /none/none: No such file"),
    (["wget", "ftp://127.0.0.1/"], 2, "must start with http://"),
)
RUNNING = (
    (["add", "nosuch"], '"nosuch": web (http)'),
    (["add", "web", "--count", "2"], "1 slot is free of web, not 2"),
    (["add", "web", "--cpu", "1000"], "CPU 1000 does not exist: allowed 0 to"),
    (["drain", "9"], "no slot 9: 0 to 1"),
    (["remove", "9"], "no slot 9: 0 to 1"),
    (["conns", "9"], "no slot 9: 0 to 1"),
    (["revive", "0"], "SERVING, not DEAD"),
)


@test
def wrong_words_are_answered_by_what_is_allowed():
    for words, status, says in ALONE:
        p = starfish(*words, ok=(status,))
        claim(says in p.stderr, "%s: %s" % (words, p.stderr))
    equal(os.listdir("/run"), [], "nothing was begun")
    www()
    with Instance([http(count=1, entry="spare = 1;")]) as i:
        wait_for("a standby", lambda: i.status()["standbys"])
        pids = i.pids()
        for words, says in RUNNING:
            p = i.cli(*words, ok=(1,))
            claim(says in p.stderr, "%s: %s" % (words, p.stderr))
        other = TMP + "/other.conf"
        write(other, read(i.file).replace(i.name, "other"))
        p = i.cli("reload", "-c", other, ok=(1,))
        claim("is of instance other, not of " + i.name in p.stderr, p.stderr)
        p = i.cli("reload")
        equal(p.stdout.count("document roots loaded"), 1, "said once")
        equal(i.pids(), pids, "nothing was done")


@test
def the_directory_of_instances_has_a_whole_name():
    for d in ("here", "./run", "/r" * 101):
        p = sh("env", "STARFISH_RUN=" + d, BUILD + "/bin/starfish", "status",
               ok=(1,))
        claim("absolute path of at most 200 bytes" in p.stderr, p.stderr)


@test
def others_are_told_that_they_may_not():
    www()
    d = TMP + "/bin"
    shutil.copytree(BUILD + "/bin", d)
    os.chmod(TMP, 0o755)
    with Instance([http(count=1)]) as i:
        for words in (["down"], ["reload"], ["status"], ["drain", "0"],
                      ["add", "web"], ["renew"], ["stats"]):
            p = sh("setpriv", "--reuid", "65534", "--regid", "65534",
                   "--clear-groups", d + "/starfish", "-n", i.name, *words,
                   ok=None)
            claim(p.returncode != 0 and "Permission denied" in p.stderr,
                  "%s: %d %s" % (words, p.returncode, p.stderr))
        claim(i.well(), "and it goes on")


@test
def an_access_log_that_cannot_be_opened_is_named():
    www()
    with Instance([http(count=1, extra='access_log = "%s/none/x.log";'
                        % TMP)]) as i:
        says = "access log %s/none/x.log: No such file" % TMP
        claim(says in read(i.log), read(i.log))
        claim(any(says in e["text"] for e in json.loads(
            i.cli("events", "--json").stdout)), "an event")
        os.mkdir(TMP + "/none")
        get("/f64.bin")
        wait_for("a line, once there is the directory", lambda:
                 os.path.exists(TMP + "/none/x.log") and
                 read(TMP + "/none/x.log"))


@test
def a_program_that_is_not_there_is_named():
    i = Instance(["""{ name = "mine"; service = "program"; ports = [ "tap0" ];
    listen = [ "*:7" ]; program = { path = "nosuchprogram"; }; }"""])
    p = i.up(ok=None)
    claim(p.returncode != 0 and "cannot start nosuchprogram: No such file" in
          p.stdout + p.stderr, p.stdout + p.stderr)
    claim(not i.running(), "nothing is left")
