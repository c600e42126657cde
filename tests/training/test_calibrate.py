"""The temperature of a run: fitted on labelled pixels, the same each time, kept in the card."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from maskwright.core.errors import TrainingError
from maskwright.core.labels import IGNORE
from maskwright.data.dataset import open_dataset
from maskwright.export.bundle import export_bundle
from maskwright.inference.predictor import open_model
from maskwright.inference.resolution import planes
from maskwright.training import calibrate as module
from maskwright.training.calibrate import calibrate

from ..painted import PaintedDataset, PaintedImage

NAMES = ("sky", "road", "tree", "car")


@pytest.fixture
def run(untrained_checkpoint, tmp_path):
    shutil.copytree(untrained_checkpoint, tmp_path / "run/best")
    return tmp_path / "run"


@pytest.fixture
def val(tmp_path):
    """Three images of noise with masks of noise, some of it IGNORE."""
    rng, root = np.random.default_rng(0), tmp_path / "data"
    for name in "abc":
        image_HWC = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        mask_HW = rng.choice(np.uint8([0, 1, 2, 3, IGNORE]), (40, 50))
        for folder, content in (("images", image_HWC), ("masks", mask_HW)):
            (root / folder / "val").mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(root / folder / "val" / f"{name}.png")
    classes = "\n".join(f"- {{name: {n}}}" for n in NAMES)
    (root / "dataset.yaml").write_text(f"classes:\n{classes}\ncodec:\n  ignored: [{IGNORE}]\n")
    return open_dataset(root)


def all_pixels(model, val):
    logits, truth = [], []
    for number in range(len(val)):
        labels_HW = val.labels(number)
        full_KHW = np.stack(list(planes(model.logits(val.image(number), where="x"))))
        logits.append(full_KHW[:, labels_HW != IGNORE].T)
        truth.append(labels_HW[labels_HW != IGNORE])
    return np.concatenate(logits).astype(np.float64), np.concatenate(truth)


def test_the_temperature_is_that_of_all_labelled_pixels_where_they_are_few(run, val):
    logits_PK, truth_P = all_pixels(open_model(run), val)

    def nll(temperature):
        log_share_PK = log_softmax(logits_PK / temperature, axis=1)
        return -log_share_PK[np.arange(len(truth_P)), truth_P].mean()

    found = calibrate(run, val, seed=0)
    expected = minimize_scalar(nll, bounds=(0.1, 10), options={"xatol": 1e-9}).x
    assert found.temperature == pytest.approx(expected, rel=1e-4)
    assert (found.num_images, found.num_pixels) == (3, len(truth_P))
    assert found.nll_before == pytest.approx(nll(1.0), abs=1e-5)
    assert found.nll_after == pytest.approx(nll(found.temperature), abs=1e-5)
    assert found.nll_after <= found.nll_before


def test_the_card_carries_it_to_the_predictor_and_the_bundle(run, val, photographs, tmp_path):
    before = open_model(run)
    found = calibrate(run, val, seed=0)
    document = json.loads((run / "best/card.json").read_text())
    assert document["temperature"] == found.temperature != 1
    assert document["provenance"]["calibration"]["nll_after"] == found.nll_after
    assert document["provenance"]["seed"] == 3
    bundle = export_bundle(run / "best", photographs, tmp_path / "bundle")
    assert bundle.card.temperature == found.temperature
    image = photographs[0]
    for model in (open_model(run), open_model(bundle.root)):
        one, other = before.predict(image, where="x"), model.predict(image, where="x")
        assert (one.labels_HW == other.labels_HW).mean() > 0.999
        assert np.abs(one.confidence_HW - other.confidence_HW).max() > 1e-3


def test_fitting_again_finds_the_same(run, val):
    first = calibrate(run, val, seed=0)
    card = (run / "best/card.json").read_bytes()
    assert calibrate(run, val, seed=0) == first
    assert (run / "best/card.json").read_bytes() == card


def test_the_sample_is_bounded_and_drawn_by_the_seed(run, val, monkeypatch):
    monkeypatch.setattr(module, "MAX_IMAGES", 2)
    monkeypatch.setattr(module, "MAX_LOGITS", 4 * 300)
    one, again, other = (calibrate(run, val, seed=seed) for seed in (1, 1, 2))
    assert (one.num_images, one.num_pixels) == (2, 300)
    assert one == again != other


def test_the_fit_is_reported_in_one_line(run, val):
    text = str(calibrate(run, val, seed=0))
    assert text.startswith("temperature ")
    assert "pixels of 3 validation images: negative log-likelihood" in text
    assert "\n" not in text


def test_without_a_labelled_pixel_the_card_stays(run, val):
    for path in (Path(val.source) / "masks" / "val").iterdir():
        Image.fromarray(np.full((40, 50), IGNORE, np.uint8)).save(path)
    card = (run / "best/card.json").read_bytes()
    assert calibrate(run, val, seed=0) is None
    assert (run / "best/card.json").read_bytes() == card


def test_logits_that_are_not_finite_are_refused(run, val):
    from safetensors.numpy import load_file, save_file

    path = run / "best/weights.safetensors"
    weights = load_file(path)
    save_file({k: v * np.nan if v.dtype == np.float32 else v for k, v in weights.items()}, path)
    with pytest.raises(
        TrainingError, match=r"run: the network produced NaN or infinite logits; train"
    ):
        calibrate(run, val, seed=0)


def test_a_dataset_without_files_calibrates_as_the_same_one_on_disk(run, val):
    images = tuple(
        PaintedImage(val.keys[i], "val", val.image(i), val.labels(i)) for i in range(len(val))
    )
    on_disk = calibrate(run, val, seed=0)
    assert calibrate(run, PaintedDataset(val.spec, images), seed=0) == on_disk
