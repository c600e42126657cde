"""Many images run side by side in an engine of one thread each, to the same bytes."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from PIL import Image

from maskwright.inference import imagework
from maskwright.inference.engine import Engine, EngineOptions
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.tiling import Tiling


@dataclass
class Counting(Engine):
    """Counts its calls by the size of the input, and those of the serial engine it makes."""

    engine: Engine
    calls: list = field(default_factory=list)
    serial: "Counting | None" = None

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def __call__(self, image_BCHW):
        self.calls.append(image_BCHW.shape[2:])
        return self.engine(image_BCHW)

    def make_serial(self):
        made = self.engine.make_serial()
        self.serial = None if made is None else Counting(made)
        return self.serial


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return painted_bundle(tmp_path / "bundle").root


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(5):
        pixels = rng.integers(0, 4, (20, 30, 3) if index else (300, 260, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{index}.png")
    return tmp_path / "photos"


def read_all(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_several_images_per_core_share_an_engine_of_one_thread(
    bundle, photos, tmp_path, monkeypatch
):
    model = open_model(bundle)
    model = replace(model, tiling=Tiling(tile=(128, 128), overlap=64))
    monkeypatch.setattr(imagework, "count_cores", lambda: 2)
    engine = Counting(model.engine)
    predict(replace(model, engine=engine), [photos], tmp_path / "many")
    assert engine.serial.calls == [(20, 30)] * 4
    assert set(engine.calls) == {(128, 128)}  # an image in tiles runs alone, in all threads
    monkeypatch.setattr(imagework, "count_cores", lambda: 3)
    engine = Counting(model.engine)
    predict(replace(model, engine=engine), [photos], tmp_path / "few")
    assert engine.serial is None
    assert read_all(tmp_path / "few") == read_all(tmp_path / "many")


def test_an_engine_of_one_thread_gives_the_same_logits(bundle):
    engine = open_model(bundle, engine="onnxruntime").engine
    serial = engine.make_serial()
    assert (serial.options.threads, serial.make_serial()) == (1, None)
    x_BCHW = np.random.default_rng(0).standard_normal((2, 3, 40, 50)).astype(np.float32)
    np.testing.assert_array_equal(serial(x_BCHW), engine(x_BCHW))


def test_threads_that_were_chosen_stay(bundle):
    chosen = open_model(bundle, engine="onnxruntime", options=EngineOptions(threads=2))
    assert chosen.engine.make_serial() is None


def test_threads_sleep_where_an_engine_shares_its_cores(bundle):
    engine = open_model(bundle, engine="onnxruntime").engine
    options = EngineOptions(spins=False)
    quiet = open_model(bundle, engine="onnxruntime", options=options).engine
    entry = "session.intra_op.allow_spinning"
    assert quiet.session.get_session_options().get_session_config_entry(entry) == "0"
    x_BCHW = np.random.default_rng(0).standard_normal((1, 3, 40, 50)).astype(np.float32)
    np.testing.assert_array_equal(quiet(x_BCHW), engine(x_BCHW))
