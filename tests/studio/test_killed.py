"""kill -9 of the server and of the browser while somebody paints: what was saved is there."""

import http.client
import itertools
import json
import os
import signal
import struct
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from tests.browser import Browser, find_browser
from tests.studio.driving import SAVED, drag, open_page, press, read_item, to_screen
from tests.studio_pages import Studio

from maskwright.studio.project import open_project
from maskwright.studio.verify import verify


class _Painter:
    """Paints strokes as fast as they are acknowledged, until the server is gone."""

    def __init__(self, studio):
        self.server = studio.address.removeprefix("http://").strip("/")
        self.port, self.acknowledged, self.cookie = studio.port, 0, ""
        self.cookie = self.ask("GET", studio.link.partition(self.server)[2]).getheader(
            "set-cookie"
        )

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.server, timeout=30)
        headers |= {"X-Maskwright": "studio", "X-Client": "painter-1", "Cookie": self.cookie}
        with closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            self.text = answer.read()
        return answer

    def paint(self, first):
        self.ask("POST", "/api/items/1/lease?take=over")
        for rev in itertools.count(first):
            points = [(37 * rev) % 4000, (91 * rev) % 2400, (53 * rev) % 4000, 40]
            geometry = {"kind": "stroke", "radius": 60, "points": points}
            text = json.dumps(
                {"tool": "brush", "value": rev % 3, "geometry": geometry}
            ).encode()
            headers = {"If-Match": str(rev), "Idempotency-Key": f"painter:{rev}"}
            try:
                answer = self.ask(
                    "POST",
                    "/api/items/1/edits",
                    struct.pack("<I", len(text)) + text,
                    **headers,
                )
            except (OSError, http.client.HTTPException):
                return
            assert answer.status == 200, self.text
            self.acknowledged = rev + 1


def _kill_at(data, moments_s):
    """Kill a studio at each of some times after the first stroke; returns the last revision."""
    rev = 0
    for moment_s in moments_s:
        studio = Studio(data)
        try:
            painter = _Painter(studio)
            thread = threading.Thread(target=painter.paint, args=(rev,))
            thread.start()
            end = time.monotonic() + 60
            while painter.acknowledged <= rev and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(moment_s)
        finally:
            studio.kill()
        thread.join()
        with open_project(data) as project:
            assert verify(project).faults == ()
            with project.store.read() as connection:
                found = project.find_item(connection, 1).rev
        assert painter.acknowledged <= found <= painter.acknowledged + 1
        assert found > rev
        rev = found
    return rev


def test_every_acknowledged_stroke_is_there_after_kill_9(photos):
    with open_project(photos, classes=["road", "car", "tree"]):
        pass
    assert _kill_at(photos, [0.013, 0.171]) > 2


@pytest.mark.long
def test_every_acknowledged_stroke_is_there_after_100_kills(photos):
    with open_project(photos, classes=["road", "car", "tree"]):
        pass
    _kill_at(photos, np.random.default_rng(0).random(100) * 0.3)


_TAKE_OVER = """() => {
  document.querySelector('#notice:not([hidden]) button')?.click();
  return !document.querySelector('header .state').textContent.endsWith('read only');
}"""


class _Mortal:
    """A browser with one profile, which is killed and started again."""

    def __init__(self, studio, profile):
        self.studio, self.profile, self.cookies = studio, profile, None

    def paint_and_die(self, strokes, moment_s):
        """Draw strokes, one over the other, and kill the browser some time after the last.

        Returns the revision when the page had opened and sent what it had kept, and whether
        the page said that all was saved.
        """
        browser = Browser(find_browser(), self.profile)
        try:
            rev = self._open(browser)
            for key in strokes:
                press(browser, key)
                drag(browser, *to_screen(browser, (100, 100), (180, 100)))
            time.sleep(moment_s)
            return rev, browser.value(SAVED)
        finally:
            os.kill(browser.process, signal.SIGKILL)
            os.waitpid(browser.process, 0)
            (self.profile / "SingletonLock").unlink(missing_ok=True)

    def _open(self, browser):
        for name, value in self.cookies or ():
            browser.ask("Network.setCookie", url=self.studio.address, name=name, value=value)
        open_page(browser, self.studio.address if self.cookies else self.studio.link)
        if self.cookies is None:
            found = browser.ask("Network.getCookies", urls=[self.studio.address])["cookies"]
            self.cookies = [(cookie["name"], cookie["value"]) for cookie in found]
        browser.wait_for(f"({_TAKE_OVER})() && {SAVED}")
        return read_item(browser, 1)["rev"]


@pytest.mark.long
def test_every_stroke_called_saved_is_there_after_100_kills_of_the_browser(
    studio, photos, tmp_path
):
    mortal = _Mortal(studio, tmp_path / "profile")
    keys, revs, sure = itertools.cycle("123"), [], []
    for moment_s in np.random.default_rng(0).random(100) * 0.1:
        rev, saved = mortal.paint_and_die([next(keys), next(keys)], moment_s)
        revs.append(rev)
        sure.append(rev + 2 * saved)
    studio.kill()
    with open_project(photos) as project:
        assert verify(project).faults == ()
        with project.store.read() as connection:
            revs.append(project.find_item(connection, 1).rev)
    gained = np.diff(revs)
    assert (np.array(revs[1:]) >= sure).all()
    assert gained.min() >= 0
    assert gained.max() == 2
    assert gained.sum() > 100
