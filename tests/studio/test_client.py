import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.studio_pages import PORT

from maskwright.core.errors import ConfigError, OutputError
from maskwright.measurement.events.webhook import Webhook
from maskwright.studio.api import make_app
from maskwright.studio.client import StudioClient
from maskwright.studio.errors import StudioError
from maskwright.studio.guard import Guard
from maskwright.studio.live import News

ADDRESS = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def received():
    """A web server that keeps what is posted to it, with its address."""
    documents = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            documents.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield documents, f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def _make_client(project, hook=None):
    guard = Guard(project.store, PORT)
    browser = TestClient(make_app(project, guard, News(), hook=hook), base_url=ADDRESS)

    def send(method, path, headers, body):
        browser.cookies.clear()  # the client has its own
        answer = browser.request(
            method, path, headers=dict(headers), content=body, follow_redirects=False
        )
        return answer.status_code, answer.headers, answer.content

    return StudioClient(f"{ADDRESS}/?token={guard.token}", transport=send)


def test_a_script_labels_an_image_from_first_to_last(project):
    studio = _make_client(project)
    number = studio.list_items()[0]["id"]
    with studio.painting(number):
        ring = [0, 0, 2400, 0, 2400, 800, 0, 800]
        done = studio.draw(number, {"kind": "polygon", "rings": [ring]}, 2)
        assert done["px_changed"] == 300 * 100
        studio.draw(number, {"kind": "all"}, 0, mode="keep")
    labels_HW = studio.read_map(number)
    assert labels_HW.shape == (300, 520)
    assert np.bincount(labels_HW.ravel()).tolist() == [300 * 520 - 30000, 0, 30000]
    studio.comment(number, "by a script", at_xy=[3, 4])
    assert studio.take_step(number, "submit")["state"] == "submitted"
    with pytest.raises(StudioError, match="1 comment is open") as refused:
        studio.take_step(number, "accept")
    assert (refused.value.status, refused.value.details["why"]) == (409, "comments")


def test_a_webhook_hears_of_what_is_submitted_commented_and_accepted(project, received):
    documents, url = received
    hook = Webhook(url=url)
    studio = _make_client(project, hook)
    studio.take_step(1, "submit")
    comment = studio.comment(1, "fine")
    studio.post(f"/api/items/1/comments/{comment['id']}", {"open": False})
    studio.take_step(1, "accept")
    hook.close()
    assert [(d["event"], d["person"]) for d in documents] == [
        (verb, "local") for verb in ("submit", "comment", "accept")
    ]
    assert documents[1]["comment"]["text"] == "fine"
    assert documents[2]["item"]["state"] == "accepted"


def test_addresses_that_are_none_and_servers_that_are_gone_are_named():
    with pytest.raises(ConfigError, match="give the address of a studio"):
        StudioClient("lab:8080")
    with pytest.raises(OutputError, match=r"http://127.0.0.1:9: does not answer"):
        StudioClient("http://127.0.0.1:9/", "ann", "password")


def test_the_client_needs_nothing_of_the_extra_studio():
    code = "import sys, maskwright.studio.client; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"alembic", "argon2", "sqlalchemy", "starlette", "uvicorn"}
