"""Memory over very many requests."""

import http.client
import itertools
import re
import threading
import time

import numpy as np
import psutil
import pytest

NUM_REQUESTS, NUM_CLIENTS, NUM_CAMERAS, NUM_IMAGES = 100_000, 4, 5, 64
MOST_GROWTH_BYTES = 48 << 20
"""From the first fifth of the requests on; that fifth fills what the server keeps."""


def _count_bytes(server):
    family = psutil.Process(server.process.pid)
    return sum(p.memory_info().rss for p in (family, *family.children(recursive=True)))


def _read_metric(server, name):
    text = server.ask("GET", "/metrics").body.decode()
    return float(re.search(rf"^maskwright_{name} (\S+)$", text, re.MULTILINE)[1])


def _send_many(server, bodies, numbers):
    """Send requests of several cameras over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    for number in numbers:
        named = {"X-Source": f"camera-{number % NUM_CAMERAS}", "X-Key": str(number)}
        body = bodies[number * 7 % NUM_IMAGES]
        connection.request("POST", "/v1/predict?format=coverage", body, named)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def _draw(rng, stripes):
    """Noise in the channels that do not hold the class."""
    noise = rng.integers(0, rng.integers(2, 90), stripes.shape, np.uint8)
    noise[..., 0] = 0
    return noise


@pytest.mark.long
def test_a_hundred_thousand_small_requests_take_no_memory(
    start_server, painted, stripes, png, tmp_path
):
    server = start_server(painted.root, "--store", tmp_path / "rows.sqlite")
    rng = np.random.default_rng(0)
    bodies = [png(np.roll(stripes, k, axis=1) + _draw(rng, stripes)) for k in range(NUM_IMAGES)]
    numbers, used, step = iter(range(NUM_REQUESTS)), [], NUM_REQUESTS // 20

    def run():
        for number in numbers:
            _send_many(server, bodies, itertools.chain([number], itertools.islice(numbers, 99)))
            if number // step > len(used) - 1:
                used.append(_count_bytes(server))

    threads = [threading.Thread(target=run) for _ in range(NUM_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    used_mib = [num_bytes >> 20 for num_bytes in used]
    assert max(used) - used[len(used) // 5] < MOST_GROWTH_BYTES, f"MiB: {used_mib}"
    ends_s = time.monotonic() + 60  # the last rows are written about a second later
    while _read_metric(server, "records_written") < NUM_REQUESTS:
        assert time.monotonic() < ends_s
        time.sleep(0.1)
    assert _read_metric(server, "records_dropped") == 0
