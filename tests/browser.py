"""A headless Chromium for tests of pages, driven over two pipes by the DevTools protocol."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-sync", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_browser():
    """The path of a browser that starts; skips the test where there is none."""
    found = next(filter(_starts, filter(None, map(shutil.which, NAMES))), None)
    if found is None:
        pytest.skip("no Chromium here; as root: apt-get install chromium")
    return found


def _starts(command):
    """Some are only a note that the browser has to be installed in another way."""
    done = subprocess.run([command, "--version"], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


def find_contrast(one, other):
    """Contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color):
    shares = [v / 255 for v in color]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class Browser:
    """A browser with one page open. Answers of the page come back as Python values."""

    def __init__(self, command, profile):
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        pipes = [(os.POSIX_SPAWN_DUP2, commands, 3), (os.POSIX_SPAWN_DUP2, answers, 4), quiet]
        arguments = [command, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        self.process = os.posix_spawn(command, arguments, os.environ, file_actions=pipes)
        os.close(commands)
        os.close(answers)
        self._told, self._answers, self._session = 0, b"", {}
        target = self.ask("Target.createTarget", url="about:blank")
        attached = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    def open(self, page, *, width_px=1280, height_px=900, dark=False):
        """Open a file in a window of this size; below 640 px it is that of a phone."""
        self.visit(page.as_uri(), width_px=width_px, height_px=height_px, dark=dark)

    def visit(self, address, *, width_px=1280, height_px=900, dark=False):
        """Open a file or a page of a server of this machine."""
        self.resize(width_px, height_px)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=address)
        protocol = f"{address.partition(':')[0]}:"
        self.wait_for(f"document.readyState + location.protocol === 'complete{protocol}'")

    def resize(self, width_px, height_px=900):
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 1}
        self.ask("Emulation.setDeviceMetricsOverride", **size, mobile=width_px <= 640)

    def ask(self, method, **params):
        self._told += 1
        question = {"id": self._told, "method": method, "params": params} | self._session
        os.write(self._write, json.dumps(question).encode() + b"\0")
        while (answer := self._next()).get("id") != self._told:
            pass
        return answer["result"]

    def _next(self):
        while b"\0" not in self._answers:
            assert select.select([self._read], [], [], 60)[0], "the browser does not answer"
            self._answers += os.read(self._read, 1 << 20)
        first, _, self._answers = self._answers.partition(b"\0")
        return json.loads(first)

    def value(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression, timeout_s=60):
        end = time.monotonic() + timeout_s
        while not self.value(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def press(self, key, code, text=""):
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.ask("Input.dispatchKeyEvent", **event | {"text": text} if text else event)

    def choose(self, selector, value):
        """Choose or write a value in a form, as a person does."""
        self.value(
            f"(e => {{ e.value = {json.dumps(value)}; "
            f"e.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def screenshot(self, path):
        shot = self.ask("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.ask("Browser.close")
        os.waitpid(self.process, 0)
        os.close(self._write)
        os.close(self._read)
