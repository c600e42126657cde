"""Hostile bodies: damaged files and requests cost their own answer, and nothing else."""

import struct

import cv2
import numpy as np
import psutil
import pytest

ALLOWED = {200, 400, 404, 405, 406, 411, 413, 415, 501}
"""Answers to a client that is wrong; 500 would be a bug or a crash."""


def _list_files(rng):
    """Good files of each format, small."""
    image_HWC = cv2.resize(rng.integers(0, 255, (5, 7, 3), np.uint8), (70, 50))
    return [
        cv2.imencode(ending, image_HWC)[1].tobytes()
        for ending in (".png", ".jpg", ".webp", ".tiff")
    ]


def _damage(rng, content):
    """Cut off, flip bytes, repeat a part, or declare another size."""
    kind, data = int(rng.integers(5)), bytearray(content)
    if kind == 0:
        return bytes(data[: int(rng.integers(len(data)))])
    if kind == 1:
        for at in rng.integers(len(data), size=int(rng.integers(1, 20))).tolist():
            data[at] = int(rng.integers(256))
    elif kind == 2:
        at = int(rng.integers(len(data)))
        data[at:at] = data[: int(rng.integers(200))]
    elif kind == 3:
        data[16:24] = struct.pack(">II", *rng.integers(0, 1 << 32, 2).tolist())
    else:
        data[: int(rng.integers(1, 12))] = rng.bytes(12)
    return bytes(data)


def _send(server, rng, files):
    """One request that is wrong in some way; returns its status."""
    body = _damage(rng, files[int(rng.integers(len(files)))])
    kind = int(rng.integers(5))
    if kind == 0:
        length = int(rng.integers(-5, 2 * len(body) + 5))
        path = "/v2/models/painted/infer"
        named = {"Inference_Header_Content_Length": str(length)}
        return server.ask("POST", path, body, **named).status
    if kind == 1:
        head = b'--x\r\nContent-Disposition: form-data; name="a"; filename="../a"\r\n\r\n'
        named = {"Content_Type": "multipart/form-data; boundary=x"}
        path = "/v1/predict?model=painted"
        return server.ask("POST", path, head + body + b"\r\n--x--", **named).status
    if kind == 2:
        named = {"Content_Encoding": "gzip"}
        return server.ask("POST", "/v1/predict?model=painted", body, **named).status
    if kind == 3:
        return server.ask("POST", "/v1/truth?key=x&model=painted", body).status
    form = ("json", "png", "raw", "confidence", "..%2F..", "overlay")[int(rng.integers(6))]
    return server.ask("POST", f"/v1/predict?model=painted&format={form}", body).status


def _storm(server, num, seed):
    rng = np.random.default_rng(seed)
    files = _list_files(rng)
    statuses = {_send(server, rng, files) for _ in range(num)}
    assert statuses <= ALLOWED
    assert server.ask("GET", "/health/ready").status == 200
    crashes = [
        line
        for line in server.ask("GET", "/metrics").body.decode().splitlines()
        if line.startswith("maskwright_model_crashes{")
    ]
    assert crashes
    assert all(line.endswith(" 0.0") for line in crashes)
    return statuses


def _count_bytes(server):
    family = psutil.Process(server.process.pid)
    return sum(p.memory_info().rss for p in (family, *family.children(recursive=True)))


def test_damaged_requests_are_refused_and_the_server_goes_on(server, stripes, png):
    assert {200, 400} <= _storm(server, 200, seed=0)
    assert server.predict(png(stripes), model="painted").status == 200


@pytest.mark.long
def test_ten_thousand_damaged_requests_take_no_memory(start_server, painted, stripes, png):
    server = start_server(f"painted={painted.root}")
    _storm(server, 1000, seed=1)
    before = _count_bytes(server)
    _storm(server, 10_000, seed=2)
    assert _count_bytes(server) - before < 60 << 20
    assert server.predict(png(stripes)).status == 200
