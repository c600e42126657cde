"""One row per predicted image: the numbers of `predict --write observations`, and no pixel."""

import json
import time

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import OutputError
from maskwright.core.files import find_state_folder
from maskwright.core.logits import Logits
from maskwright.data.dataset import open_dataset
from maskwright.inference.observe import (
    CONFIDENCE_SIDE_PX,
    choose_pixels,
    observe,
    sample_shares,
)
from maskwright.inference.outputs import PredictedImage
from maskwright.inference.predictor import open_model
from maskwright.inference.resolution import decide
from maskwright.pages.pictures import encode_indexed_png
from maskwright.serving.client import Client
from maskwright.serving.watch.alarmist import name_drift
from maskwright.serving.watch.keeper import MAP
from maskwright.serving.watch.relabel import write_relabel
from maskwright.store.alarms import raise_alarm
from maskwright.store.database import Database
from maskwright.store.place import make_default_store
from maskwright.store.records import add_records, list_records

from .records import BUNDLE, make_record


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
    sampled_hw = sample_shares(logits, 1.7).max(axis=0)
    assert max(sampled_hw.shape) == CONFIDENCE_SIDE_PX
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
            X_Lot="lot 12",
        )
        assert answer.status == 200
        assert answer.headers["x-request-id"] == key
    rows = wait_for_rows(folder / "a.sqlite", 3, asked)
    assert [row.key for row in rows] == list(asked)
    model = open_model(small.root)
    prediction = model.predict(image_HWC)
    item = PredictedImage(key="a", image_HWC=image_HWC, prediction=prediction)
    expected = observe(item, model.card.input).families
    assert list(expected["encoder"]) == [f"feature {n}" for n in range(1, 9)]
    levels = {"red": 32, "green": 32, "blue": 32}
    for row in rows:
        assert (row.model, row.version, row.source) == ("small", "1", "camera 7")
        assert row.lot == "lot 12"
        assert {name: len(shares) for name, shares in row.levels.items()} == levels
        assert 0 < row.families["entropy"]["quantile 5%"] <= row.families["entropy"]["mean"] < 1
        assert (row.bundle, row.num_px) == (small.model_id, 96 * 150)
        assert 0 < row.engine_s < row.seconds
        assert row.uncertainty == pytest.approx(1 - prediction.confidence_HW.mean(), abs=0.02)
        for family, numbers in expected.items():
            assert row.families[family] == pytest.approx(dict(numbers), abs=2e-5)


def test_a_client_names_the_source_and_the_lot_of_its_images(watched, stripes):
    server, folder = watched
    Client(server.address, source="yard/3", lot="L 5").predict(stripes, model="painted")
    database = Database.open(folder / "a.sqlite")
    for _ in range(200):
        with database.read() as connection:
            found = [r.lot for r in list_records(connection) if r.source == "yard/3"]
        if found:
            break
        time.sleep(0.05)
    database.close()
    assert found == ["L 5"]


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
        "POST",
        "/v2/models/painted/infer",
        json.dumps({"inputs": [image]}).encode(),
        X_Request_Id="kserve",
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


def test_a_state_folder_that_cannot_be_written_names_the_option(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    message = r"service.sqlite: cannot keep rows here: Not a directory; name .* with --store"
    with pytest.raises(OutputError, match=message):
        make_default_store()


def _send_truth(server, key, body, query=""):
    return server.ask("POST", f"/v1/truth?key={key}{query}", body)


def test_truth_that_comes_later_scores_the_class_map_of_its_key(watched, stripes, png):
    server, folder = watched
    server.ask("POST", "/v1/predict?model=painted", png(stripes), X_Request_Id="later-1")
    wait_for_rows(folder / "a.sqlite", 1, {"later-1"})
    truth_HW = stripes[..., 0].copy()
    truth_HW[:20, :15] = 1  # a half of the first class is the second
    truth_HW[:, 50:] = 255
    content = cv2.imencode(".png", truth_HW)[1].tobytes()
    answer = _send_truth(server, "later-1", content)
    assert answer.status == 200, answer.body
    assert answer.json["pixels"] == 40 * 50
    assert answer.json["iou"] == {"sky": 0.5, "road": 0.6667, "tree": 1.0, "car": 1.0}
    assert answer.json["mean_iou"] == 0.7917
    (row,) = wait_for_rows(folder / "a.sqlite", 1, {"later-1"})
    assert row.score[1][:2] == [300, 600]
    again = cv2.imencode(".png", stripes[..., 0])[1].tobytes()
    assert _send_truth(server, "later-1", again).json["mean_iou"] == 1.0


@pytest.mark.parametrize(
    ("key", "query", "shape", "value", "status", "message"),
    [
        ("", "", (40, 60), 0, 400, "name the image: ?key=, its X-Request-Id"),
        ("unknown", "", (40, 60), 0, 404, "no image with the key 'unknown'"),
        ("truth-1", "&model=x", (40, 60), 0, 404, "of model x; it has painted"),
        ("truth-1", "", (40, 61), 0, 400, "truth of truth-1: is (40, 61) (H, W), its pred"),
        ("truth-1", "", (40, 60), 9, 400, "9"),
        ("truth-1", "", None, 0, 400, "expected a PNG, JPEG, TIFF or WebP file"),
    ],
)
def test_truth_that_does_not_fit_is_refused(
    watched, stripes, png, key, query, shape, value, status, message
):
    server, folder = watched
    server.ask("POST", "/v1/predict?model=painted", png(stripes), X_Request_Id="truth-1")
    wait_for_rows(folder / "a.sqlite", 1, {"truth-1"})
    content = b"no file"
    if shape is not None:
        content = cv2.imencode(".png", np.full(shape, value, np.uint8))[1].tobytes()
    answer = _send_truth(server, key, content, query)
    assert answer.status == status, answer.body
    assert message in answer.json["error"]
    assert str(folder) not in answer.json["error"]


def test_images_of_a_source_with_an_alarm_of_drift_come_first(database, tmp_path):
    sources = {"sure": "yard/b", "early": "hall/a", "late": "hall/a", "doubt": "hall2"}
    (tmp_path / "kept").mkdir()
    rows = []
    for n, (key, source) in enumerate(sources.items()):
        image, drawn = tmp_path / f"kept/{key}.png", np.full((4, 4), n % 2, np.uint8)
        cv2.imwrite(str(image), drawn)
        content = encode_indexed_png(drawn, np.zeros((2, 3), np.uint8))
        image.with_name(f"{key}{MAP}").write_bytes(content)
        image.write_bytes(image.read_bytes() + key.encode())  # no two files are the same
        rows.append(
            make_record(n, key=key, source=source, image=image.name, uncertainty=n / 10)
        )
    rows.append(make_record(9, key="known", image="late.png", score=[[1, 0], [0, 1]]))
    with database.write() as connection:
        add_records(connection, rows)
        document = {"text": "confidence; mean 0.9 -> 0.7"}
        raise_alarm(connection, name_drift(BUNDLE, "hall"), "alarm", document, 2.0)
        raise_alarm(connection, name_drift("another", ""), "alarm", {}, 0.0)
    queue = write_relabel(database, tmp_path / "kept", tmp_path / "out", 3)
    assert [(one.key, one.reason) for one in queue] == [
        ("hall/a/late", "drift"),
        ("hall2/doubt", "uncertain"),
        ("hall/a/early", "uncertain"),
    ]
    assert queue[0].detail == (
        "alarm 1: confidence; mean 0.9 -> 0.7; 80.0% confident, place 2 of 4 from the least"
    )


def test_the_relabel_queue_is_a_dataset(start_server, painted, png, tmp_path):
    kept = ["--store", tmp_path / "a.sqlite", "--keep-in", tmp_path / "kept"]
    server = start_server(painted.root, *kept, "--keep", "1.0")
    rng = np.random.default_rng(0)
    drawn = [
        np.kron(rng.integers(0, 4, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        for _ in range(3)
    ]
    keys = ("part 1", "part-2", "part-3", "part-3")
    for key, image_HWC in zip(keys, [*drawn, drawn[2]], strict=True):
        answer = server.ask(
            "POST", "/v1/predict", png(image_HWC), X_Request_Id=key, X_Source="hall/camera-1"
        )
        assert answer.status == 200
    wait_for_rows(tmp_path / "a.sqlite", 4, keys)
    out = tmp_path / "queue"
    command = [*map(str, ["watch", "--relabel", out, *kept, "--json"])]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"folder": str(out), "images": 3, "drifting": 0}
    checked = CliRunner().invoke(app, ["check", str(out), "--json"])
    report = json.loads(checked.stdout)
    assert [f["message"] for f in report["findings"] if f["severity"] == "error"] == []
    data = open_dataset(out)
    assert data.spec.names == ("sky", "road", "tree", "car")
    keys = [*data.keys]
    assert len(keys) == 3
    sample = data[keys.index("hall__camera-1__part-2")]
    np.testing.assert_array_equal(sample.labels_HW, drawn[1][..., 0])
    rows = (out / "queue.csv").read_text().splitlines()
    assert rows[0] == "key,source,time,confidence,reason,why"
    assert ',uncertain,"' in rows[1]
    assert rows[1].endswith('% confident, place 1 of 4 from the least"')
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "is there already" in str(again.exception)
