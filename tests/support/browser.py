"""A headless Chromium for tests, driven through pipes by its developer tools' protocol."""

import json
import os
import shutil
import subprocess
import time


def find_chromium():
    """Its program; None if there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """One window of it."""

    def __init__(self, program, profile):
        to_read, to_write = os.pipe()
        from_read, from_write = os.pipe()
        # It reads from descriptor 3 and writes to descriptor 4.
        moved = f'exec 3<&{to_read} 4>&{from_write}; exec "$0" "$@"'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--disable-background-networking", "--remote-debugging-pipe",
                   f"--user-data-dir={profile}"]  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", moved, program, *options],
            pass_fds=(to_read, from_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self._to, self._from = os.fdopen(to_write, "wb", 0), os.fdopen(from_read, "rb", 0)
        self._unread = b""
        self._calls = 0
        self._session = {}
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params, **self._session}
        self._to.write(json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != self._calls:
            self.events.append(answer)
        return answer["result"]

    def _message(self):
        while b"\0" not in self._unread:
            chunk = self._from.read(1 << 16)
            assert chunk, "the browser ended"
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def ask(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression):
        deadline = time.monotonic() + 30
        while not self.ask(expression):
            assert time.monotonic() < deadline, expression
            time.sleep(0.02)

    def open(self, address):
        self.call("Page.navigate", url="about:blank")
        self.events.clear()
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def press(self, key):
        code = {"Escape": 27}.get(key, 0)  # By which the browser itself knows it.
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def close(self):
        self._to.close()
        self._process.terminate()
        self._process.wait()
        self._from.close()

    def swipe(self, start, stop, steps=5):
        """Draw a finger from one point (x, y) of the window to another."""
        (left, top), (right, bottom) = start, stop
        for i in range(steps + 1):
            share = i / steps
            point = {"x": left + share * (right - left), "y": top + share * (bottom - top)}
            kind = "touchMove" if i else "touchStart"
            self.call("Input.dispatchTouchEvent", type=kind, touchPoints=[point])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def window(self, width, height, *, scale=1, phone=False, dark=False):
        """Make it so large, in pixels of the page, each of `scale` of the screen."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[theme])
