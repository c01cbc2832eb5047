"""A headless Chromium that a test asks about a page: its DevTools protocol over a pipe, nothing else needed."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time


def require(test):
    """Skips a test where there is no browser; on CI it fails."""
    if find() is None:
        if os.environ.get("CI"):
            test.fail("expected a Chromium, found none; install the package chromium")
        test.skipTest("there is no Chromium here; install the package chromium")


def find():
    """Chromium's path, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page; use it in a `with`. `events` holds what the browser has reported so far: (method, parameters)."""

    def __init__(self, timeout=60):
        self.timeout, self.events = timeout, []
        self._profile = tempfile.mkdtemp(prefix="variform-browser-")
        child_reads, self._writer = os.pipe()
        self._reader, child_writes = os.pipe()

        # The protocol's pipe is descriptors 3 and 4 of the browser, by way of numbers that are none of the four.
        def move():
            os.dup2(os.dup2(child_reads, 103), 3)
            os.dup2(os.dup2(child_writes, 104), 4)

        # No sandbox: it does not work for root, who runs the tests in containers; what is opened are our own pages.
        self._process = subprocess.Popen(
            [find(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={self._profile}", "--remote-debugging-pipe"],
            preexec_fn=move, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(child_reads)
        os.close(child_writes)
        self._buffer, self._last, self._session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._writer)  # at the pipe's end the browser leaves
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._reader)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _message(self, end):
        while b"\0" not in self._buffer:
            if not select.select([self._reader], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            chunk = os.read(self._reader, 1 << 20)
            if not chunk:
                raise ConnectionError(f"the browser has ended with {self._process.wait(10)}")
            self._buffer += chunk
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        """The result of a command of the protocol."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._writer, json.dumps(command).encode() + b"\0")
        end = time.monotonic() + self.timeout
        while True:
            message = self._message(end)
            if message.get("id") == self._last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append((message.get("method"), message.get("params", {})))

    def open(self, url, width, height=900, media="screen"):
        """Loads a page in a window of that size; `events` begins again."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media)
        self.events.clear()
        self.call("Page.navigate", url=url)
        end = time.monotonic() + self.timeout
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            message = self._message(end)
            self.events.append((message.get("method"), message.get("params", {})))

    def ask(self, script):
        """The value of a JavaScript expression, of a promise's too."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def reported(self, method):
        return [parameters for name, parameters in self.events if name == method]
