"""The webhook, against a server on this machine that answers as it is told."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from maskwright.core.errors import ConfigError
from maskwright.measurement.events.webhook import Webhook

LOGIN = "Basic dXNlcjpzZWNyZXQ="  # user:secret


@pytest.fixture
def server():
    """A server; `answers` are the statuses of its next answers, then 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.received.append((self.headers["Authorization"], json.loads(body)))
            self.server.may_answer.wait(10)
            status = self.server.answers.pop(0) if self.server.answers else 200
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.received, server.answers = [], []
        server.may_answer = threading.Event()
        server.may_answer.set()
        server.url = f"http://user:secret@127.0.0.1:{server.server_port}/hook?token=secret"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.may_answer.set()
        server.shutdown()


def test_messages_arrive_in_order_and_a_busy_server_is_asked_again(server):
    server.answers = [503, 429]
    pauses = []
    hook = Webhook(url=server.url, sleep=pauses.append)
    hook.send({"event": 1})
    hook.send({"event": 2})
    hook.close()
    assert server.received == [(LOGIN, {"event": k}) for k in (1, 1, 1, 2)]
    assert pauses == [0.5, 1.0]
    assert hook.describe() == f"webhook {hook.name}: 2 messages sent"
    assert "secret" not in hook.name


@pytest.mark.parametrize(
    ("answers", "num_tries"), [([404], 1), ([302], 1), ([500, 502, 503, 504], 4)]
)
def test_what_cannot_be_delivered_is_counted_with_its_reason(server, answers, num_tries):
    last = answers[-1]
    server.answers = list(answers)
    hook = Webhook(url=server.url, sleep=lambda _: None)
    hook.send({"event": 1})
    hook.close()
    assert len(server.received) == num_tries
    assert f"0 messages sent, 1 failed (answered {last})" in hook.describe()


def test_a_server_that_does_not_answer_delays_nobody(server):
    server.may_answer.clear()
    hook = Webhook(url=server.url, timeout_s=0.2, patience_s=0.1)
    for number in range(300):  # the server holds the first until the test ends
        hook.send({"event": number})
    hook.close()
    assert hook.num_sent == 0
    assert hook.num_failed == 300
    assert "300 failed" in hook.describe()


def test_an_address_at_which_nobody_listens_is_a_reason():
    hook = Webhook(url="http://127.0.0.1:9/hook", sleep=lambda _: None)
    hook.send({})
    hook.close()
    assert "1 failed ([Errno 111] Connection refused)" in hook.describe()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "https://", "a.b/c"])
def test_only_web_addresses_are_taken(url):
    with pytest.raises(ConfigError, match="give an address that begins with https://"):
        Webhook(url=url)
