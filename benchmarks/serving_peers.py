"""Peers of `maskwright serve`: LitServe and a plain FastAPI handler around one ONNX graph.

    python benchmarks/serving_peers.py litserve|fastapi GRAPH.onnx PORT

Both decode by OpenCV, normalise, run ONNX Runtime, enlarge the logits, and answer with run
lengths by pycocotools: what one writes by hand. Run in an environment that has litserve,
fastapi, uvicorn, onnxruntime, opencv-python-headless and pycocotools.
"""

import sys

import cv2
import litserve
import numpy as np
from pycocotools import mask

MEAN = np.float32([0.485, 0.456, 0.406])
STD = np.float32([0.229, 0.224, 0.225])


def open_session(graph):
    """The session and the name of its input."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name


def decode(content):
    """Network input and the size of the image."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    x = (image.astype(np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(x.transpose(2, 0, 1))[None], image.shape[:2]


def encode(logits, size):
    """Run lengths of each class."""
    planes = [cv2.resize(plane, size[::-1]) for plane in logits[0]]
    labels = np.argmax(planes, axis=0)
    return {
        str(index): mask.encode(np.asfortranarray(labels == index, np.uint8))["counts"].decode()
        for index in np.unique(labels)
    }


def serve_fastapi(graph, port):
    """One handler in the pool of threads."""
    import uvicorn
    from fastapi import FastAPI, File

    app, (session, name) = FastAPI(), open_session(graph)

    @app.post("/predict")
    def predict(image: bytes = File()):
        x, size = decode(image)
        return encode(session.run(None, {name: x})[0], size)

    uvicorn.run(app, port=port, log_level="error")


class Api(litserve.LitAPI):
    """The steps of LitServe; its worker process opens the graph."""

    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    def setup(self, device):  # noqa: ARG002 - of LitServe
        """Open the graph."""
        self.session, self.name = open_session(self.graph)

    def decode_request(self, request):
        """An upload to network input."""
        return decode(request["image"].file.read())

    def predict(self, decoded):
        """Run the graph."""
        x, size = decoded
        return self.session.run(None, {self.name: x})[0], size

    def encode_response(self, output):
        """Run lengths."""
        return encode(*output)


def serve_litserve(graph, port):
    """One worker, as LitServe has it by default."""
    server = litserve.LitServer(Api(graph), accelerator="cpu")
    server.run(port=port, generate_client_file=False, log_level="error")


if __name__ == "__main__":
    peers = {"fastapi": serve_fastapi, "litserve": serve_litserve}
    peers[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
