import pickle
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import maskwright
from maskwright.cli.main import app
from maskwright.cli.opening import Opening
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import LabelSpec
from maskwright.data.pixels.images import read_data
from maskwright.inference.engine import EngineOptions
from maskwright.inference.predictor import open_model
from maskwright.inference.tiling import Tiling
from maskwright.serving.client import Client, open_remote, split_address
from maskwright.serving.exactfile import encode_exactly

from ..painted import PaintedDataset, PaintedImage


def test_a_client_returns_the_prediction_of_the_model(server, small, photographs):
    here = open_model(small.root)(photographs[0])
    there = Client(server.address).predict(photographs[0], "small")
    assert (there.labels_HW == here.labels_HW).all()
    assert np.abs(there.confidence_HW - here.confidence_HW).max() <= 0.5 / 255 + 1e-6
    assert (there.model_id, there.labels) == (here.model_id, here.labels)
    assert (there.overlay() == here.overlay()).all()
    assert there.coverage == here.coverage
    assert Client(server.address).list_models() == ["painted", "small"]
    engine = Client(server.address).open_model("small").engine
    assert (engine.name, engine.precision) == ("onnxruntime", "fp32")


def test_a_prediction_names_the_bundle_that_made_it_and_a_proxy_may_have_a_path(
    server, small, photographs
):
    opened = replace(open_remote(f"{server.address}/small"), model_id="before a swap")
    assert opened.predict(photographs[0]).model_id == small.model_id
    assert split_address("http://a:8000/small/") == ("http://a:8000", "small")
    assert split_address("http://a:8000") == ("http://a:8000", None)
    assert split_address("https://a/vision/small") == ("https://a/vision", "small")


def test_predict_by_a_server_writes_what_predict_by_the_bundle_writes(
    server, small, photographs, png, tmp_path
):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index, photo in enumerate(photographs):
        (photos / f"{index}.png").write_bytes(png(photo))
    for model, out in ((f"{server.address}/small", "there"), (str(small.root), "here")):
        maskwright.predict(model, photos, tmp_path / out)
    here, there = tmp_path / "here", tmp_path / "there"
    names = sorted(path.relative_to(here) for path in here.rglob("*.png"))
    assert len(names) > 5
    for name in names:
        assert (there / name).read_bytes() == (here / name).read_bytes(), name


def test_evaluate_by_a_server_has_the_scores_of_the_bundle_but_those_of_confidence(
    server, small, photographs, tmp_path
):
    rng = np.random.default_rng(0)
    names = tuple(small.card.labels.names)
    images = tuple(
        PaintedImage(f"{n}", "test", photo, rng.integers(0, 4, photo.shape[:2], np.uint8))
        for n, photo in enumerate(photographs)
    )
    data = PaintedDataset(LabelSpec.from_names(names), images)
    address = f"{server.address}/small"
    here, there = maskwright.evaluate(small.root, data), maskwright.evaluate(address, data)
    assert there.scores["miou"].value == here.scores["miou"].value
    assert there.scores.keys() < here.scores.keys()
    assert there.notes[-1].startswith("a server predicted the class maps")
    with pytest.raises(ConfigError, match="a gallery needs the shares of the classes"):
        maskwright.evaluate(address, data, gallery_in=tmp_path)


def test_workers_open_a_served_model_whatever_the_options_of_their_engines(server, small):
    opening = Opening(None, None, None, None, accept_licence=False)
    how = {"tiling": Tiling(), "tta": None, "dropout": 0}
    call = pickle.loads(pickle.dumps(opening.defer(f"{server.address}/small", **how)))
    model = call(options=EngineOptions(threads=1))
    assert (model.model_id, model.gives_logits) == (small.model_id, False)


def test_the_command_line_takes_an_address_and_refuses_what_the_server_has_chosen(
    server, photographs, png, tmp_path
):
    (tmp_path / "a.png").write_bytes(png(photographs[0]))
    words = ["predict", f"{server.address}/small", str(tmp_path / "a.png"), "-o"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out/classes/a.png").is_file()
    done = CliRunner().invoke(app, [*words, str(tmp_path / "out2"), "--tile", "128x128"])
    assert isinstance(done.exception, ConfigError)
    assert "a server has chosen engine, device, tiles and refiners" in str(done.exception)


@pytest.mark.parametrize("kind", ["uint8-1", "uint8-3", "uint16-1", "uint16-3", "float32-5"])
def test_what_is_sent_is_read_back_as_it_is(kind, tmp_path):
    dtype, channels = kind.split("-")
    rng = np.random.default_rng(0)
    image_HWC = (rng.random((7, 9, int(channels))) * 255).astype(dtype)
    content = encode_exactly(image_HWC, None, where="x")
    path = tmp_path / ("x.png" if content.startswith(b"\x89PNG") else "x.tif")
    path.write_bytes(content)
    found, valid_HW = read_data(path)
    assert valid_HW is None or valid_HW.all()
    assert found.dtype == dtype
    assert (found == image_HWC).all()


def test_pixels_without_data_are_sent_as_transparent_ones_or_refused(tmp_path):
    image_HWC, valid_HW = np.full((4, 5, 3), 7, np.uint8), np.ones((4, 5), bool)
    valid_HW[1, 2] = False
    path = tmp_path / "x.png"
    path.write_bytes(encode_exactly(image_HWC, valid_HW, where="x"))
    found, found_valid_HW = read_data(path)
    assert (found_valid_HW == valid_HW).all()
    assert (found[valid_HW] == 7).all()
    with pytest.raises(DataError, match="x: 1 pixels hold no data"):
        encode_exactly(image_HWC.astype(np.uint16), valid_HW, where="x")


def test_errors_name_the_image_or_the_server(server):
    with pytest.raises(ConfigError, match="no model named 'large'"):
        open_remote(f"{server.address}/large")
    with pytest.raises(ConfigError, match="name one of its models: painted, small"):
        open_remote(server.address)
    with pytest.raises(ConfigError, match=r"no answer .* start it with maskwright serve"):
        Client("http://127.0.0.1:9", retry_s=0).list_models()
    with pytest.raises(ConfigError, match="expected http://HOST:PORT"):
        Client("localhost:8000")
    model = open_remote(f"{server.address}/small")
    with pytest.raises(DataError, match=r"x\.png: image has 5 channels"):
        model.predict(np.zeros((4, 4, 5), np.uint8), where="x.png")
    with pytest.raises(ConfigError, match="gives classes and confidence alone"):
        model.predict(np.zeros((4, 4, 3), np.uint8), uncertainty=True)


def test_a_server_without_a_folder_for_jobs_takes_none(server, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    client = maskwright.Client(server.address)
    with pytest.raises(ConfigError, match="takes no jobs; start it with --jobs FOLDER"):
        client.submit(tmp_path / "a.png")
