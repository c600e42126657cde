"""What must not cost an answer: servers that stop or are killed, a database that is gone."""

import http.client
import itertools
import json
import re
import signal
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from maskwright.store.database import Database
from maskwright.store.records import list_records


def _read_metric(server, name):
    text = server.ask("GET", "/metrics").body.decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


def _wait(condition):
    ends_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends_s
        time.sleep(0.02)


class _Retrying:
    """A client of two servers: what the first one does not answer, it asks of the other."""

    def __init__(self, servers, body):
        self.servers, self.body = servers, body
        self.half, self.num_retries, self.statuses = [], 0, []

    def send(self, number):
        for server in itertools.cycle(self.servers):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            answer = None
            try:
                connection.request("POST", "/v1/predict?format=raw", self.body)
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                if answer is not None:
                    self.half.append((number, repr(error)))
            else:
                if answer.status == 200:
                    return content
                self.statuses.append((answer.status, answer.getheader("Retry-After")))
            finally:
                connection.close()
            self.num_retries += 1
        return None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    "num_requests", [120, pytest.param(1000, marks=pytest.mark.long)], ids=str
)
def test_a_server_that_ends_under_load_loses_no_request(
    start_server, painted, stripes, png, tmp_path, number, num_requests
):
    store = tmp_path / "rows.sqlite"
    servers = [start_server(painted.root, "--store", store) for _ in range(2)]
    client, found = _Retrying(servers, png(stripes)), []
    left, begun = iter(range(num_requests)), threading.Event()

    def run():
        for each in left:
            found.append(client.send(each))
            if each > num_requests // 3:
                begun.set()

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    servers[0].process.send_signal(number)
    for thread in threads:
        thread.join(120)
    assert found == [stripes[..., 0].tobytes()] * num_requests
    # a kill may fall between head and body of an answer: the client sees that it is short
    assert number == signal.SIGKILL or client.half == []
    assert client.num_retries
    assert all(status == 503 and later for status, later in client.statuses)
    status = servers[0].process.wait(30)
    assert status == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    servers[1].stop()
    database = Database.open(store)  # also after a kill
    with database.read() as connection:
        num_rows = len(list_records(connection))
    database.close()
    if number == signal.SIGTERM:
        assert num_rows == num_requests
    else:
        assert num_requests // 2 < num_rows <= num_requests


def test_requests_go_on_while_postgresql_is_down_and_their_rows_come(
    start_server, painted, stripes, png, postgres
):
    url, body = postgres.make_url(), png(stripes)
    server = start_server(painted.root, "--store", url)
    assert server.predict(body).status == 200
    _wait(lambda: _read_metric(server, "maskwright_records_written") == 1)
    postgres.stop()
    try:
        assert [server.predict(body).status for _ in range(5)] == [200] * 5
        assert server.ask("GET", "/health/ready").status == 200
        shown = server.ask("GET", "/watch")
        assert (shown.status, shown.headers["retry-after"]) == (503, "1")
        assert shown.json["error"].startswith("the server cannot use its store or its disk now")
        server.log.flush()
        _wait(lambda: '"event": "records", "error"' in _read_log(server))
        assert _read_metric(server, "maskwright_records_written") == 1
    finally:
        postgres.start()
    _wait(lambda: _read_metric(server, "maskwright_records_written") == 6)
    assert _read_metric(server, "maskwright_records_dropped") == 0
    assert server.stop() == 0
    database = Database.open(url)
    with database.read() as connection:
        assert len(list_records(connection)) == 6
    database.close()


def _read_log(server):
    text = Path(server.log.name).read_text()
    assert "secret" not in text
    return text


def test_clients_that_are_slow_or_go_away_cost_nobody_else(start_server, painted, stripes, png):
    server = start_server(painted.root, "--store", "none", "--max-pixels", "16")
    body = png(stripes)
    head = b"POST /v1/predict?format=raw HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Length: %d\r\n\r\n"
    large = png(np.zeros((3000, 3000, 3), np.uint8))
    opened = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
    for connection in opened[:4]:
        connection.sendall(head[:20])  # a head without an end
    for connection in opened[4:8]:
        connection.sendall(head % len(body) + body[:10])  # a body without an end
    for connection in opened[8:]:
        connection.sendall(head % len(large) + large)  # 9 MB of answer that nobody reads
    assert [server.predict(body).status for _ in range(5)] == [200] * 5
    for connection in opened[6:10]:
        connection.close()
    assert server.predict(body).status == 200
    _wait(lambda: opened[0].recv(1) == b"")  # after 8 s
    status = opened[4].makefile("rb").read()  # the head and the body may come apart
    assert status.startswith(b"HTTP/1.1 408 ")
    assert json.loads(status.partition(b"\r\n\r\n")[2])["error"].startswith("the body did not")
    _wait(lambda: _read_metric(server, "maskwright_queue_pixels") == 0)
    for connection in opened:
        connection.close()
    assert server.stop() == 0
