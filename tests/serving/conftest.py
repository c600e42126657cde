import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskwright.core.bundle import GRAPH, write_bundle
from maskwright.core.graph import Graph
from maskwright.core.trust import hash_file, remember
from maskwright.store.database import Database


class Answer(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """A running `maskwright serve`, in whose processes torch cannot be imported."""

    def __init__(self, folder, *arguments):
        (folder / "torch.py").write_text("raise ImportError('torch is blocked in this test')")
        python_path = os.pathsep.join([str(folder), *sys.path])
        self.log = (folder / "log.txt").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maskwright", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={**os.environ, "PYTHONPATH": python_path},
        )
        line = self.process.stdout.readline()
        assert " at http://" in line, Path(self.log.name).read_text()
        self.address = line.split(" at ")[1].split(";")[0]
        self.port = int(self.address.rpartition(":")[2])

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(connection):
            connection.request(method, path, body, named)
            got = connection.getresponse()
            headers = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, headers, got.read())

    def predict(self, body, accept="*/*", **query):
        words = "&".join(f"{k}={quote(str(v))}" for k, v in query.items())
        return self.ask("POST", f"/v1/predict?{words}", body, Accept=accept)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self._end()

    def kill(self):
        self.process.kill()
        self._end()

    def _end(self):
        status = self.process.wait(60)
        self.process.stdout.close()
        self.log.close()
        return status


@pytest.fixture
def database(store_place):
    """A store, in SQLite and in PostgreSQL."""
    opened = Database.open(store_place)
    yield opened
    opened.close()


@pytest.fixture
def hook():
    """A webhook; `answers` are the statuses of its next answers, then 200."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.received.append(json.loads(body))
            self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.received, server.answers = [], []
        server.url = f"http://127.0.0.1:{server.server_port}/abc"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def start_server(tmp_path_factory):
    """A function: start a server with these arguments; it is stopped when the tests end."""
    started = []

    def start(*arguments):
        folder = tmp_path_factory.mktemp("server")
        server = Server(folder, "--drain", "0", "--warm", "64x64", *map(str, arguments))
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()  # of one that has ended, its streams are closed


@pytest.fixture(scope="session")
def painted(painted_bundle, tmp_path_factory):
    """A Bundle whose class is the value of the first channel."""
    return painted_bundle(tmp_path_factory.mktemp("painted") / "run" / "bundle")


@pytest.fixture(scope="session")
def small(painted_card, tmp_path_factory):
    """A Bundle of two 3 x 3 convolutions with random weights, whose labels are no stripes.

    Its graph gives the means of the first one's features too.
    """
    folder = tmp_path_factory.mktemp("small")
    graph = folder / "small.onnx"
    graph.write_bytes(_convolve(np.random.default_rng(5)))
    remember("graph", hash_file(graph))
    return write_bundle(
        folder / "bundle",
        painted_card(),
        {GRAPH: graph},
        graphs=[Graph(file=GRAPH, engine="onnxruntime", outputs=("logits", "features"))],
    )


def _convolve(rng):
    weights = {
        "w1": rng.normal(size=(8, 3, 3, 3)),
        "w2": rng.normal(size=(4, 8, 3, 3)),
    }
    convs = [("image", "w1", "h1"), ("r1", "w2", "logits")]
    nodes = [helper.make_node("Conv", [x, w], [y], pads=[1] * 4) for x, w, y in convs]
    nodes.insert(1, helper.make_node("Relu", ["h1"], ["r1"]))
    nodes.append(helper.make_node("ReduceMean", ["r1", "axes"], ["features"], keepdims=0))
    weights["axes"] = np.array([2, 3])
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 3, "H", "W"])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["B", 4, "H", "W"]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["B", 8]),
        ],
        [
            numpy_helper.from_array(w.astype(np.int64 if w.ndim == 1 else np.float32), name)
            for name, w in weights.items()
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


@pytest.fixture(scope="session")
def server(start_server, painted, small):
    """A server of two models: `painted`, and `small` with a real network."""
    return start_server(f"painted={painted.root}", f"small={small.root}")


@pytest.fixture(scope="session")
def png():
    """A function: the bytes of an image file, PNG unless another ending is given."""

    def encode(image_HW3, suffix=".png", *options):
        done, content = cv2.imencode(suffix, image_HW3[..., ::-1], list(options))
        assert done
        return content.tobytes()

    return encode


@pytest.fixture(scope="session")
def stripes():
    """A 40 x 60 image of the classes 0, 1, 2 and 3 for `painted`, in columns of 15 px."""
    classes_HW = np.repeat(np.arange(4, dtype=np.uint8), 15)[None].repeat(40, axis=0)
    return np.stack([classes_HW, np.full_like(classes_HW, 9), np.zeros_like(classes_HW)], -1)
