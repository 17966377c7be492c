"""A headless Chromium, driven over its debugging pipe."""
import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync",
         "--remote-debugging-pipe", "--window-size=900,700"]


def find():
    """The program, or None."""
    return next((b for b in ("chromium", "chromium-browser", "google-chrome")
                 if shutil.which(b)), None)


class Browser:
    """One page of a new browser with a new profile."""

    def __init__(self, program, profile, url, seconds=60):
        self.end, self.serial, self.buf = time.monotonic() + seconds, 0, b""
        to_read, self.to = os.pipe()
        self.come, from_write = os.pipe()

        def pipes():            # descriptors 3 and 4 are the browser's
            a, b = os.dup(to_read), os.dup(from_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.p = subprocess.Popen(
            [program, *FLAGS, "--user-data-dir=" + profile, "about:blank"],
            preexec_fn=pipes, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(from_write)
        target = self.call("Target.createTarget", url=url)["targetId"]
        self.session = None
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]

    def call(self, method, **params):
        """Ask, and wait for the answer."""
        self.serial += 1
        ask = {"id": self.serial, "method": method, "params": params}
        if getattr(self, "session", None):
            ask["sessionId"] = self.session
        os.write(self.to, json.dumps(ask).encode() + b"\0")
        while True:
            one, zero, rest = self.buf.partition(b"\0")
            if zero:
                self.buf = rest
                r = json.loads(one)
                if r.get("id") != self.serial:
                    continue    # an event
                if "error" in r:
                    raise RuntimeError("%s: %s" % (method, r["error"]))
                return r["result"]
            left = self.end - time.monotonic()
            if left <= 0 or not select.select([self.come], [], [], left)[0]:
                raise RuntimeError("the browser does not answer " + method)
            got = os.read(self.come, 1 << 20)
            if not got:
                raise RuntimeError("the browser is gone")
            self.buf += got

    def eval(self, script):
        """Value of a JavaScript expression in the page."""
        return self.call("Runtime.evaluate", expression=script,
                         returnByValue=True)["result"].get("value")

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(
                self.call("Page.captureScreenshot")["data"]))

    def close(self):
        with contextlib.suppress(Exception):
            self.session = None
            self.call("Browser.close")
        try:
            self.p.wait(5)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        os.close(self.to)
        os.close(self.come)
