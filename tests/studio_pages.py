"""Pages of the studio for tests: as calls of its application, and a studio as a process."""

import json
import os
import struct
import subprocess
import sys
import time
import zlib
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from starlette.testclient import TestClient

from maskwright.store.people import Session, User, add_session, set_user
from maskwright.studio.api import make_app
from maskwright.studio.guard import Guard, hash_secret
from maskwright.studio.live import News

PORT = 8080


def make_page(project, **options):
    """A browser that was let in, as a client of the application."""
    guard = Guard(project.store, PORT)
    app = make_app(project, guard, News(), **options)
    browser = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")
    browser.get("/", params={"token": guard.token}, follow_redirects=False)
    return Page(browser, "page-one")


def make_team(project, **roles):
    """A page of each of some people, who are logged in; roles by name."""
    guard = Guard(project.store, PORT)
    app = make_app(project, guard, News())
    pages = {}
    for name, role in roles.items():
        browser = TestClient(app, base_url=f"http://127.0.0.1:{PORT}")
        browser.cookies[guard.cookie] = let_in(project, name, role)
        pages[name] = Page(browser, f"page-of-{name}")
    return pages


def wait_for_job(page):
    """The job of a project once it has ended."""
    end = time.monotonic() + 60
    while (job := page.ask("GET", "/api/job").json())["state"] == "running":
        assert time.monotonic() < end, job
        time.sleep(0.02)
    return job


def let_in(project, name, role):
    """Add a user and a session of that user; the secret of its cookie."""
    secret, now = f"secret of {name}".replace(" ", "-"), time.time()
    with project.store.write() as connection:
        set_user(connection, User(name=name, role=role, password_hash="none"))
        session = Session(hash_secret(secret), name)
        add_session(connection, session, expires=now + 3600, now=now)
    return secret


class Page:
    """One page of a browser: calls the application as the front end does."""

    def __init__(self, browser, client):
        self.browser, self.client, self.sent = browser, client, 0

    def other(self):
        """Another page of the same browser."""
        return Page(self.browser, "page-two")

    def ask(self, method, path, **options):
        headers = {"X-Maskwright": "studio", "X-Client": self.client}
        options["headers"] = headers | options.pop("headers", {})
        return self.browser.request(method, path, **options)

    def item(self, number=1):
        return self.ask("GET", f"/api/items/{number}").json()

    def lease(self, number=1, take=""):
        return self.ask("POST", f"/api/items/{number}/lease", params={"take": take})

    def step(self, verb, rev, number=1):
        headers = {"If-Match": str(rev)}
        return self.ask("POST", f"/api/items/{number}/steps/{verb}", headers=headers)

    def edit(self, edit, rev, *, patches=(), number=1, key=None):
        self.sent += 1
        headers = {"Idempotency-Key": key or f"{self.client}:{self.sent}", "If-Match": str(rev)}
        text = json.dumps({"tool": "test"} | edit).encode()
        body = struct.pack("<I", len(text)) + text + b"".join(patches)
        path = f"/api/items/{number}/edits"
        return self.ask("POST", path, headers=headers, content=body)

    def draw(self, rev, number=1, *, value=1, mode="overwrite", only=None, **geometry):
        edit = {"value": value, "mode": mode, "only": only, "geometry": geometry}
        return self.edit(edit, rev, number=number)

    def read_map(self, number=1):
        item = self.item(number)
        height, width = item["size_HW"]
        labels_HW = np.zeros((-(-height // 256) * 256, -(-width // 256) * 256), np.uint8)
        for column, row, sha in item["tiles"]:
            blob = self.ask("GET", f"/api/tiles/{sha}").content
            pixels = zlib.decompress(blob[4:])
            assert sha256(pixels).hexdigest() == sha
            square = np.frombuffer(pixels, np.uint8).reshape(256, 256)
            labels_HW[row * 256 : row * 256 + 256, column * 256 : column * 256 + 256] = square
        return labels_HW[:height, :width]


class Studio:
    """`maskwright studio` in a process; `port` stays when it is started again.

    With `python`, it is that of another environment, in which the package is installed.
    """

    def __init__(self, data, *options, python=None):
        self.data, self.options, self.port, self.python = data, options, 0, python
        self.start()

    def start(self):
        python, more = self.python or sys.executable, {}
        if self.python is None:
            more = {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
        command = [python, "-m", "maskwright", "studio", str(self.data), "--no-browser"]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), *self.options],
            stdout=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | more,
        )
        self.process.stdout.readline()
        self.link = self.process.stdout.readline().strip()
        self.address = self.link.partition("?")[0]
        self.port = urlsplit(self.address).port

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
