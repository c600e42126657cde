import base64
import io
import json
import threading

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as peer

from maskwright.inference.predictor import open_model


def _decode_png(body):
    return np.asarray(Image.open(io.BytesIO(body)))


def test_the_class_map_is_that_of_predict_in_every_form(server, small, photographs, png):
    model = open_model(small.root)
    for photo in photographs:
        expected = model(photo).labels_HW
        body, where = png(photo), {"model": "small"}
        assert (_decode_png(server.predict(body, "image/png", **where).body) == expected).all()
        raw = server.predict(body, format="raw", confidence=True, **where).body
        labels, confidence = np.frombuffer(raw, np.uint8).reshape(2, *expected.shape)
        assert (labels == expected).all()
        assert np.abs(confidence / 255 - model(photo).confidence_HW).max() <= 0.5 / 255 + 1e-6
        document = server.predict(body, **where).json
        assert document["rle"]["order"] == "columns"
        for index, name in enumerate(model.card.labels.names):
            counts = document["rle"]["counts"].get(name)
            if counts is None:
                assert index not in expected
            else:
                mask = peer.decode({"size": document["rle"]["size"], "counts": counts})
                assert (mask == (expected == index)).all()


def test_many_at_once_get_the_maps_that_each_gets_alone(server, small, photographs, png):
    model = open_model(small.root)
    expected = [model.label(photo) for photo in photographs]
    found = [None] * 12

    def run(i):
        body = b"damaged" if i == 5 else png(photographs[i % 2])
        found[i] = server.predict(body, format="raw", model="small")

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for i, answer in enumerate(found):
        if i == 5:
            assert answer.status == 400
        else:
            assert answer.body == expected[i % 2].tobytes(), i


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_every_kind_of_file_is_read_as_predict_reads_it(
    server, painted, stripes, png, suffix, tmp_path
):
    body = png(np.kron(stripes, np.ones((2, 2, 1), np.uint8)), suffix)
    (tmp_path / f"x{suffix}").write_bytes(body)
    expected = open_model(painted.root)(tmp_path / f"x{suffix}").labels_HW
    answer = server.predict(body, format="raw", model="painted")
    assert answer.body == expected.tobytes()


def test_a_form_and_a_raw_body_give_one_answer_that_names_the_model(
    server, painted, stripes, png
):
    body = png(stripes)
    form = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\npainted\r\n'
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        + body
        + b"\r\n--x--\r\n"
    )
    kind = "multipart/form-data; boundary=x"
    answer = server.ask("POST", "/v1/predict?format=coverage", form, Content_Type=kind)
    assert answer.body == server.predict(body, format="coverage", model="painted").body
    assert answer.json["model"] == {
        "name": "painted",
        "version": "1",
        "bundle": painted.model_id,
        "engine": "onnxruntime",
        "precision": "fp32",
        "tiling": "whole",
        "refine": "none",
    }
    assert answer.json["size"] == [40, 60]
    assert [entry["percent"] for entry in answer.json["classes"]] == [25.0] * 4
    assert answer.headers["maskwright-bundle"] == painted.model_id
    assert answer.headers["maskwright-size"] == "40x60"


def test_overlay_confidence_and_polygons(server, stripes, png):
    body = png(stripes)
    overlay = server.predict(body, "image/jpeg", model="painted")
    assert overlay.headers["content-type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(overlay.body, np.uint8), 1).shape == (40, 60, 3)
    confidence = _decode_png(server.predict(body, format="confidence", model="painted").body)
    document = server.predict(body, confidence="true", model="painted").json["confidence"]
    assert (_decode_png(base64.b64decode(document["png"])) == confidence).all()
    assert document["mean"] == pytest.approx(confidence.mean() / 255, abs=0.01)
    polygons = json.loads(server.predict(body, "application/geo+json", model="painted").body)
    found = {
        f["properties"]["class"]: f["properties"]["area_px2"] for f in polygons["features"]
    }
    assert found == {"sky": 600, "road": 600, "tree": 600, "car": 600}


def test_tiles_and_refiners_are_those_that_a_client_asks_for(server, stripes, png):
    body = png(np.kron(stripes, np.ones((8, 8, 1), np.uint8)))
    answer = server.predict(body, format="coverage", tile="128x128", model="painted")
    assert answer.json["model"]["tiling"] == "tiles of 128x128, overlap 64"
    assert [entry["percent"] for entry in answer.json["classes"]] == [25.0] * 4
    answer = server.predict(body, format="coverage", refine="holes", model="painted")
    assert answer.json["model"]["refine"].startswith("holes")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({}, 400, "name a model: ?model=, of painted, small"),
        ({"model": "smal"}, 404, "no model named 'smal'; did you mean 'small'? Known: "),
        ({"model": "small", "version": "7"}, 404, "model small has no version 7; it has 1"),
        ({"model": "small", "format": "gif"}, 400, "no format named 'gif'"),
        ({"model": "small", "colour": "1"}, 400, "no option named 'colour'"),
        ({"model": "small", "order": "x"}, 400, "order is 'x'; choose from columns, rows"),
        ({"model": "small", "tile": "3x3"}, 400, "must be multiples of 32"),
        ({"model": "small", "refine": "a/b.yaml"}, 400, "use a name such as crf, or none"),
        ({"model": "small", "timeout": "600"}, 400, "use seconds, at most 60"),
        ({"model": "small", "confidence": "0.5"}, 400, "use true or false"),
        ({"model": "small", "format": "verdict"}, 400, "has no rule for verdicts"),
    ],
)
def test_a_wrong_option_is_refused_by_name(server, stripes, png, query, status, message):
    answer = server.predict(png(stripes), **query)
    assert answer.status == status
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("PUT", "/v1/predict", {}, 405),
        ("POST", "/v1/predict", {"Host": "evil.example"}, 400),
        ("POST", "/v1/predict", {"Origin": "http://evil.example"}, 403),
        ("POST", "/v1/predict?model=small", {"Accept": "text/html"}, 406),
        ("POST", "/v1/predict?model=small", {"Content-Length": str(1 << 40)}, 413),
        ("POST", "/v1/predict?model=small", {"Content-Encoding": "br"}, 501),
        ("POST", "/v1/predict?model=small", {"Content-Encoding": "gzip"}, 400),
        ("POST", "/v1/predict", {"Content-Type": "multipart/form-data; boundary=x"}, 400),
    ],
)
def test_an_error_is_json_on_every_path(server, method, path, headers, status):
    names = {name.replace("-", "_"): value for name, value in headers.items()}
    answer = server.ask(method, path, b"hello", **names)
    assert answer.status == status
    assert list(answer.json) == ["error"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "mib", "status", "message"),
    [
        ("/v1/predict?model=small", 80, 413, "the body has more than 64 MiB"),
        ("/v1/jobs?name=a.zip", 20, 501, "this server takes no jobs"),
        ("/nothing", 20, 404, "Not Found"),
    ],
)
@pytest.mark.parametrize("connection", ["close", "keep-alive"])
def test_a_client_that_still_sends_gets_the_answer(
    server, path, mib, status, message, connection
):
    answer = server.ask("POST", path, bytes(mib << 20), Connection=connection)
    assert answer.status == status
    assert answer.json["error"].startswith(message)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(server):
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (30_000).to_bytes(4, "big") * 2
    answer = server.predict(head, model="small")
    assert answer.status == 413
    assert "900.0 million pixels, at most 64.0 in one request" in answer.json["error"]


def test_health_models_and_metrics(server, painted, stripes, png):
    server.predict(png(stripes), model="painted")
    assert server.ask("GET", "/health/live").json == {"live": True}
    assert server.ask("GET", "/health/ready").json == {"ready": True}
    models = server.ask("GET", "/v1/models").json["models"]
    assert [model["name"] for model in models] == ["painted", "small"]
    assert models[0]["facts"]["classes"] == ["sky", "road", "tree", "car"]
    metrics = server.ask("GET", "/metrics").body.decode()
    assert 'maskwright_requests_total{endpoint="/v1/predict",status="200"}' in metrics
    assert 'maskwright_stage_seconds_count{model="painted",stage="engine"}' in metrics
    assert "maskwright_queue_pixels 0.0" in metrics


def test_a_server_finishes_what_it_has_begun_and_ends_with_0(
    start_server, painted, stripes, png
):
    server = start_server(painted.root)
    found = []
    body = png(np.kron(stripes, np.ones((30, 30, 1), np.uint8)))
    threads = [
        threading.Thread(target=lambda: found.append(server.predict(body).status))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    while server.ask("GET", "/v1/models").json["models"][0]["requests"] < 2:
        pass
    assert server.stop() == 0
    for thread in threads:
        thread.join(60)
    assert found == [200] * 6
