"""The studio behind a reverse proxy: under a path, which the proxy cuts off or passes on."""

import json
import socket
import threading
import urllib.error
import urllib.request
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.studio.driving import SAVED, drag, evaluate, open_page, to_screen

from maskwright.core.errors import ConfigError
from maskwright.studio.client import StudioClient
from maskwright.studio.people import add_user
from maskwright.studio.project import open_project
from maskwright.studio.proxy import PublicAddress
from maskwright.studio.server import serve

PREFIX = "/lab/studio"
OF_CONNECTIONS = ("connection", "host", "keep-alive", "transfer-encoding")


class Proxy(ThreadingHTTPServer):
    """As nginx does it: the host of the backend, and each part of an answer as it comes."""

    def __init__(self, *, cuts):
        super().__init__(("127.0.0.1", 0), _Forward)
        self.cuts, self.beside = cuts, []
        with socket.socket() as spare:
            spare.bind(("127.0.0.1", 0))
            self.backend = spare.getsockname()[1]

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}{PREFIX}/"

    @property
    def options(self):
        """Of the studio behind it."""
        return ("--port", str(self.backend), "--address", self.address)

    @contextmanager
    def running(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield self
        finally:
            self.shutdown()
            self.server_close()
        assert self.beside == []

    daemon_threads = True


class _Forward(BaseHTTPRequestHandler):
    def _forward(self):
        path = self.path.removeprefix(PREFIX) if self.server.cuts else self.path
        if not self.path.startswith(PREFIX):
            self.server.beside.append(self.path)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in OF_CONNECTIONS}
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with closing(HTTPConnection("127.0.0.1", self.server.backend)) as to:
            to.request(self.command, path, body, kept | {"X-Forwarded-For": "192.0.2.7"})
            answer = to.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OF_CONNECTIONS:
                    self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the browser is gone
                while part := answer.read1():
                    self.wfile.write(part)

    do_GET = do_POST = _forward

    def log_message(self, *_):
        pass


@pytest.fixture(params=["cut off", "passed on"])
def proxy(request):
    with Proxy(cuts=request.param == "cut off").running() as running:
        yield running


def test_the_page_works_under_the_path_of_a_proxy(proxy, start_studio, photos, browser):
    studio = start_studio(photos, "--classes", "road,car,tree", *proxy.options)
    assert studio.link.startswith(f"{proxy.address}?token=")
    open_page(browser, studio.link)
    assert browser.value("location.href").startswith(f"{proxy.address}#")
    drag(browser, *to_screen(browser, (40, 40), (90, 60)))
    browser.wait_for("document.querySelector('header .state').textContent === 'in progress'")
    browser.wait_for(SAVED)
    cookies = browser.ask("Network.getCookies", urls=[proxy.address])["cookies"]
    assert [cookie["path"] for cookie in cookies] == [f"{PREFIX}/"]
    # A message of the server comes through while its answer is still open.
    say = {"method": "POST", "body": '{"text": "seen"}', "headers": {"X-Maskwright": "page"}}
    evaluate(browser, f"fetch('api/items/1/comments', {json.dumps(say)}).then(() => 1)")
    browser.wait_for("document.querySelector('#comment-count').textContent === ' (1)'")


def test_people_log_in_through_a_proxy_and_other_origins_are_refused(
    proxy, start_studio, photos
):
    with open_project(photos, classes=["road", "car", "tree"]) as project:
        password = add_user(project.store, "ann", "annotator", actor="local")
    studio = start_studio(photos, *proxy.options)
    assert studio.link == proxy.address
    client = StudioClient(proxy.address, "ann", password)
    assert [item["state"] for item in client.list_items()] == ["new"] * 3
    for origin, status in ((proxy.address.partition("/lab")[0], 200), ("http://a.test", 403)):
        assert _log_in(proxy.address, password, origin) == status
    with closing(HTTPConnection("127.0.0.1", proxy.backend)) as to:
        to.request("GET", PREFIX)
        answer = to.getresponse()
    assert (answer.status, answer.getheader("location")) == (307, f"{PREFIX}/")


def _log_in(address, password, origin):
    body = json.dumps({"name": "ann", "password": password}).encode()
    headers = {"Origin": origin, "X-Maskwright": "page"}
    request = urllib.request.Request(f"{address}api/login", body, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("text", "origin", "path"),
    [
        ("https://lab.example.org", "https://lab.example.org", "/"),
        ("https://Lab.example.org:8443/a/b", "https://lab.example.org:8443", "/a/b/"),
        ("http://10.0.0.7/studio/", "http://10.0.0.7", "/studio/"),
    ],
)
def test_an_address_has_an_origin_and_a_path(text, origin, path):
    address = PublicAddress.parse(text)
    assert (address.origin, address.path) == (origin, path)
    assert str(address) == origin + path


@pytest.mark.parametrize(
    "text", ["lab.example.org", "ftp://a/b", "https://a:b/", "http://a/?b=1"]
)
def test_what_is_not_the_address_of_a_proxy_is_refused(text):
    with pytest.raises(ConfigError, match=r"expected one as https://lab\.example\.org/studio/"):
        PublicAddress.parse(text)


def test_an_address_of_other_machines_is_refused_without_users(project):
    address = "https://lab.example.org/studio/"
    with pytest.raises(ConfigError, match=f"--address {address} opens the studio to other"):
        serve(project, print, host="127.0.0.1", port=0, opens_browser=False, address=address)
