"""One row per predicted image: the numbers of `predict --write observations`, and no pixel."""

import time

import cv2
import numpy as np
import pytest

from maskwright.core.files import find_state_folder
from maskwright.core.logits import Logits
from maskwright.inference.observe import choose_pixels, observe, sample_confidence
from maskwright.inference.outputs import PredictedImage
from maskwright.inference.predictor import open_model
from maskwright.inference.resolution import decide
from maskwright.serving.watch.keeper import MAP
from maskwright.store.database import Database
from maskwright.store.records import list_records


@pytest.fixture(scope="module")
def watched(start_server, small, painted, tmp_path_factory):
    """A server that keeps all images, and where its store and its images are."""
    folder = tmp_path_factory.mktemp("watched")
    options = ("--store", folder / "a.sqlite", "--keep", "1.0", "--keep-in", folder / "kept")
    server = start_server(f"small={small.root}", f"painted={painted.root}", *options)
    return server, folder


def wait_for_rows(file, num, keys):
    """The records of some keys, when so many are there: they are written once a second."""
    database = Database.open(file)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with database.read() as connection:
            found = [r for r in list_records(connection) if r.key in keys]
        if len(found) >= num:
            break
        time.sleep(0.05)
    database.close()
    return found


@pytest.mark.parametrize("size_HW", [(64, 64), (130, 300), (700, 90)])
@pytest.mark.parametrize("stride", [1, 4])
def test_sampled_confidence_is_that_of_the_whole_map(size_HW, stride):
    height, width = (-(-n // stride) for n in size_HW)
    values = np.random.default_rng(0).normal(size=(5, height, width)).astype(np.float32)
    logits = Logits.of_image(values, size_HW, tuple(n / stride for n in size_HW))
    whole_HW = decide(logits, temperature=1.7).confidence_HW
    sampled_hw = sample_confidence(logits, 1.7)
    assert max(sampled_hw.shape) == 64
    np.testing.assert_allclose(sampled_hw, whole_HW[choose_pixels(size_HW)], atol=1e-5)


def test_a_row_has_the_numbers_of_predict_whatever_the_answer_shows(watched, small, png):
    server, folder = watched
    rng = np.random.default_rng(3)
    image_HWC = cv2.resize(rng.integers(0, 255, (9, 14, 3), np.uint8), (150, 96))
    asked = {f"photo-{form}": form for form in ("json", "png", "confidence")}
    for key, form in asked.items():
        answer = server.ask(
            "POST",
            f"/v1/predict?model=small&format={form}",
            png(image_HWC),
            X_Request_Id=key,
            X_Source="camera 7",
        )
        assert answer.status == 200
        assert answer.headers["x-request-id"] == key
    rows = wait_for_rows(folder / "a.sqlite", 3, asked)
    assert [row.key for row in rows] == list(asked)
    model = open_model(small.root)
    prediction = model.predict(image_HWC)
    item = PredictedImage(key="a", image_HWC=image_HWC, prediction=prediction)
    expected = observe(item, model.card.input).families
    for row in rows:
        assert (row.model, row.version, row.source) == ("small", "1", "camera 7")
        assert (row.bundle, row.num_px) == (small.model_id, 96 * 150)
        assert 0 < row.engine_s < row.seconds
        assert row.uncertainty == pytest.approx(1 - prediction.confidence_HW.mean(), abs=0.02)
        for family, numbers in expected.items():
            assert row.families[family] == pytest.approx(dict(numbers), abs=2e-5)


def test_a_kept_image_is_the_file_that_came_with_its_class_map(watched, stripes, png):
    server, folder = watched
    content = png(stripes, ".png")
    server.ask("POST", "/v1/predict?model=painted", content, X_Request_Id="kept-1")
    (row,) = wait_for_rows(folder / "a.sqlite", 1, {"kept-1"})
    file = folder / "kept" / row.image
    assert file.read_bytes() == content
    drawn = cv2.imread(str(file.with_name(file.stem + MAP)), cv2.IMREAD_UNCHANGED)
    shown = server.ask("POST", "/v1/predict?model=painted&format=png", content).body
    np.testing.assert_array_equal(
        drawn, cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_UNCHANGED)
    )


def test_images_of_the_inference_protocol_have_rows_and_failures_are_counted(
    watched, stripes, png
):
    server, folder = watched
    image = {"name": "image", "shape": [1, *stripes.shape], "datatype": "UINT8"}
    image["data"] = stripes.ravel().tolist()
    answer = server.ask(
        "POST", "/v2/models/painted/infer", _to_json({"inputs": [image]}), X_Request_Id="kserve"
    )
    assert answer.status == 200
    grey = png(stripes)[:60]  # a PNG that ends early
    assert server.ask("POST", "/v1/predict?model=painted", grey).status == 400
    (row,) = wait_for_rows(folder / "a.sqlite", 1, {"kserve"})
    assert row.families["classes"] == pytest.approx(
        dict.fromkeys(row.families["classes"], 0.25)
    )
    assert row.image == ""  # bare pixels are no file
    shown = server.ask("GET", "/metrics").body.decode()
    assert "maskwright_records_dropped 0.0" in shown


def _to_json(document):
    import json

    return json.dumps(document).encode()


def test_a_source_that_is_no_name_is_refused(watched, stripes, png):
    server, _ = watched
    answer = server.ask("POST", "/v1/predict?model=painted", png(stripes), X_Source="x" * 101)
    assert answer.status == 400
    assert answer.json == {"error": "X-Source: use at most 100 printable ASCII characters"}


def test_without_a_store_there_are_no_rows(start_server, painted, stripes, png):
    server = start_server(painted.root, "--store", "none")
    assert server.predict(png(stripes)).status == 200
    assert "maskwright_records_written 0.0" in server.ask("GET", "/metrics").body.decode()


def test_the_store_of_the_user_is_the_default(server, stripes, png):
    server.ask("POST", "/v1/predict?model=painted", png(stripes), X_Request_Id="default-1")
    file = find_state_folder() / "service.sqlite"
    assert len(wait_for_rows(file, 1, {"default-1"})) == 1
