import gzip
import json
import zlib

import numpy as np
import pytest

from maskwright.inference.predictor import open_model

tritonclient = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
LENGTH = "Inference_Header_Content_Length"


@pytest.fixture(scope="module")
def client(server):
    opened = tritonclient.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=2)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def expected(small, photographs):
    return open_model(small.root)(photographs[0])


@pytest.mark.parametrize("packed", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_every_form_of_tensors_gives_the_map_of_predict(
    client, expected, photographs, packed, binary_in, binary_out
):
    image_BHWC = photographs[0][None]
    given = tritonclient.InferInput("image", image_BHWC.shape, "UINT8")
    given.set_data_from_numpy(image_BHWC, binary_data=binary_in)
    outputs = None
    if binary_out is not None:
        names = ("confidence", "labels", "bundle")
        outputs = [tritonclient.InferRequestedOutput(n, binary_data=binary_out) for n in names]
    found = client.infer(
        "small",
        [given],
        outputs=outputs,
        request_id="number 7",
        request_compression_algorithm=packed,
        response_compression_algorithm=packed,
    )
    assert (found.as_numpy("labels") == expected.labels_HW[None]).all()
    confidence = found.as_numpy("confidence") / 255
    assert np.abs(confidence - expected.confidence_HW[None]).max() <= 0.5 / 255 + 1e-6
    bundle = found.as_numpy("bundle")[0]
    assert (bundle if isinstance(bundle, str) else bundle.decode()) == expected.model_id
    response = found.get_response()
    assert response["id"] == "number 7"
    assert (response["model_name"], response["model_version"]) == ("small", "1")


def test_files_of_images_are_inputs_too_and_two_have_one_answer(
    client, expected, photographs, png
):
    files = np.array([png(photographs[0]), png(photographs[0][::-1])], object)
    given = tritonclient.InferInput("encoded", [2], "BYTES")
    given.set_data_from_numpy(files)
    found = client.infer("small", [given], model_version="1").as_numpy("labels")
    assert (found[0] == expected.labels_HW).all()
    assert found.shape == (2, *expected.labels_HW.shape)


def test_a_body_without_json_is_one_image(server, expected, photographs, png):
    where = "/v2/models/small/infer"
    answer = server.ask("POST", where, png(photographs[0]), **{LENGTH: "0"})
    size = int(answer.headers[LENGTH.lower().replace("_", "-")])
    document = json.loads(answer.body[:size])
    assert [o["name"] for o in document["outputs"]] == ["labels", "confidence", "bundle"]
    labels = answer.body[size : size + expected.labels_HW.size]
    assert labels == expected.labels_HW.tobytes()


def test_health_metadata_statistics_and_repository(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("small", "1")
    assert client.get_server_metadata()["extensions"][0] == "binary_tensor_data"
    metadata = client.get_model_metadata("small")
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"][0] == {
        "name": "image",
        "datatype": "UINT8",
        "shape": [-1, -1, -1, 3],
    }
    assert client.get_model_config("small")["input"][1]["data_type"] == "TYPE_STRING"
    (statistics,) = client.get_inference_statistics("small")["model_stats"]
    assert statistics["name"] == "small"
    index = client.get_model_repository_index()
    assert [(m["name"], m["state"]) for m in index] == [
        ("painted", "READY"),
        ("small", "READY"),
    ]


def test_errors_reach_the_client_as_text(client):
    with pytest.raises(tritonclient.InferenceServerException, match="no model named 'large'"):
        client.get_model_metadata("large")
    given = tritonclient.InferInput("image", [1, 2, 2, 3], "FP32")
    given.set_data_from_numpy(np.zeros((1, 2, 2, 3), np.float32))
    with pytest.raises(tritonclient.InferenceServerException, match=r"\[400\].*expected UINT8"):
        client.infer("small", [given])
    given = tritonclient.InferInput("image", [1, 2, 2, 3], "UINT8")
    given.set_data_from_numpy(np.zeros((1, 2, 2, 3), np.uint8))
    wanted = [tritonclient.InferRequestedOutput("logits")]
    with pytest.raises(tritonclient.InferenceServerException, match="no output named 'logits'"):
        client.infer("small", [given], outputs=wanted)


def _request(shape=(1, 2, 2, 3), size=12, raw=b"\0" * 12, **more):
    entry = {"name": "image", "datatype": "UINT8", "shape": shape}
    document = {"inputs": [entry | {"parameters": {"binary_data_size": size}}], **more}
    return json.dumps(document).encode(), raw


@pytest.mark.parametrize(
    ("head", "raw", "length", "message"),
    [
        (*_request(), "-1", "expected a number up to the"),
        (*_request(), "x", "expected a number up to the"),
        (*_request(), "99999999", "expected a number up to the"),
        (*_request(), "5", "the request is not JSON"),
        (*_request(shape=(1, 1 << 20, 1 << 10, 3)), None, "has 3221225472 bytes, got 12"),
        (*_request(shape=(1, -2, 2, 3)), None, "expected whole numbers"),
        (*_request(shape=()), None, "expected whole numbers"),
        (*_request(size=13), None, "binary_data_size is 13, 12 bytes are left"),
        (*_request(size=-1), None, "binary_data_size is -1, 12 bytes are left"),
        (*_request(size=True), None, "binary_data_size is True"),
        (*_request(raw=b"\0" * 13), None, "1 bytes belong to no input"),
        (*_request(outputs=5), None, "'outputs' is not a list of objects"),
        (*_request(parameters=[]), None, "'parameters' is not a JSON object"),
        (*_request(parameters={"timeout": "x"}), None, "expected microseconds"),
        (*_request(parameters={"tile": 3}), None, "parameter tile is 3, expected text"),
        (b"[]", b"", None, "the request is not a JSON object"),
        (b'{"inputs": []}', b"", None, "'inputs' is not a list of tensors"),
        (b'{"inputs": [{"name": "image"}]}', b"", None, "input 0: name 'image', datatype None"),
        (b"", b"", "0", "image 0: expected a PNG"),
    ],
)
def test_a_hostile_request_is_refused_before_anything_is_allocated(
    server, head, raw, length, message
):
    names = {LENGTH: str(len(head)) if length is None else length}
    answer = server.ask("POST", "/v2/models/small/infer", head + raw, **names)
    assert answer.status == 400
    assert message in answer.json["error"]


def test_a_compressed_body_may_not_grow_without_end(server):
    bomb = zlib.compress(b"\0" * (65 << 20), 9)
    answer = server.ask("POST", "/v2/models/small/infer", bomb, Content_Encoding="deflate")
    assert answer.status == 413
    cut = gzip.compress(b"{}")[:-4]
    answer = server.ask("POST", "/v2/models/small/infer", cut, Content_Encoding="gzip")
    assert answer.json == {"error": "the body is cut off: its gzip has no end"}
    answer = server.ask("POST", "/v2/models/small/infer", b"x", Content_Encoding="zstd")
    assert (answer.status, answer.headers["accept-encoding"]) == (501, "gzip, deflate")


@pytest.mark.parametrize("path", ["/v2/models/small/versions/x/infer", "/v2/trace/setting"])
def test_what_is_not_there_is_404_in_json(server, path):
    answer = server.ask("POST", path, b"{}")
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})
