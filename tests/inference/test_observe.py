"""Observations: numbers of images and of what was predicted, and whether they have changed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label
from scipy.stats import entropy
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.bundle import BASELINE, write_bundle
from maskwright.core.errors import DataError
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.core.observation import NUM_LEVELS, Observation, read_observations
from maskwright.inference.observe import (
    QUANTILES,
    choose_pixels,
    measure_entropy,
    measure_families,
    measure_levels,
    observe,
)
from maskwright.inference.outputs import PredictedImage
from maskwright.inference.prediction import Prediction

SPEC = InputSpec(channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
LABELS = LabelSpec.from_names(("road", "car"))
SETS = {"old": (0, 1, 2), "same": (0, 1, 2), "new": (0, 3)}


def item_of(image_HWC, labels_HW, confidence=0.75, key="street/a"):
    confidence_HW = np.full(labels_HW.shape, confidence, np.float32)
    prediction = Prediction(
        labels_HW=labels_HW,
        confidence_HW=confidence_HW,
        model_id="m",
        labels=LABELS,
        image_HWC=image_HWC,
    )
    return PredictedImage(key=key, image_HWC=image_HWC, prediction=prediction)


def test_the_numbers_of_a_small_image_by_hand():
    image_HWC = np.zeros((4, 4, 3), np.uint8)
    image_HWC[:2, :, 0] = 204
    labels_HW = np.zeros((4, 4), np.uint8)
    labels_HW[0, 0] = labels_HW[3, 3] = 1
    labels_HW[:, 2] = IGNORE
    found = observe(item_of(image_HWC, labels_HW), SPEC)
    assert (found.key, found.source, found.model) == ("street/a", "street", "m")
    assert found.families["classes"] == pytest.approx({"road": 10 / 12, "car": 2 / 12})
    picture = found.families["image"]
    assert picture["mean red"] == pytest.approx(0.4)  # half of the valid rows at 0.8
    assert picture["spread red"] == pytest.approx(0.4)
    assert (picture["mean green"], picture["spread blue"]) == (0, 0)
    assert picture["pixels from 0.00 to 0.06"] == 0.5
    assert picture["pixels from 0.25 to 0.31"] == 0.5  # 0.8 / 3
    assert found.families["confidence"]["mean"] == 0.75
    assert found.families["shapes"]["regions car"] == pytest.approx(np.log(3))
    assert Observation.from_json(found.to_json(), where="x") == found


def test_a_large_image_has_nearly_the_numbers_of_itself_at_half_the_size():
    rng = np.random.default_rng(0)
    small_HWC = rng.integers(0, 255, (200, 240, 3)).astype(np.uint8)
    labels_hw = np.kron(rng.integers(0, 2, (10, 12)), np.ones((20, 20))).astype(np.uint8)
    large = observe(
        item_of(small_HWC.repeat(2, 0).repeat(2, 1), labels_hw.repeat(2, 0).repeat(2, 1)),
        SPEC,
    )
    small = observe(item_of(small_HWC, labels_hw), SPEC)
    for name in ("classes", "confidence"):
        assert large.families[name] == pytest.approx(small.families[name], abs=0.01)
    assert large.families["image"]["mean red"] == pytest.approx(
        small.families["image"]["mean red"], abs=0.01
    )


def test_an_image_without_data_has_numbers():
    blank = np.full((5, 6), IGNORE, np.uint8)
    found = observe(item_of(np.zeros((5, 6, 3), np.uint8), blank), SPEC)
    assert found.families["classes"] == {"road": 0, "car": 0}
    assert all(np.isfinite(v) for each in found.families.values() for v in each.values())


def test_values_in_a_unit_are_seen_in_standard_deviations():
    spec = InputSpec(channels=1, mean=(40.0,), std=(100.0,), kind="ct")
    image_HWC = np.full((8, 8, 1), 140, np.float32)
    found = observe(item_of(image_HWC, np.zeros((8, 8), np.uint8)), spec)
    assert found.families["image"]["mean channel 1"] == pytest.approx(1)


@pytest.mark.parametrize("kind", ["photograph", "ct"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_numbers_are_those_of_plain_arrays(kind, channels):
    """An image that is not reduced: each number as NumPy and SciPy have it."""
    rng = np.random.default_rng(channels)
    image_HWC = rng.uniform(0, 255, (72, 96, channels)).astype(np.float32)
    labels_HW = rng.choice([0, 1, IGNORE], (72, 96), p=[0.6, 0.3, 0.1]).astype(np.uint8)
    spec = InputSpec(channels=channels, mean=(90.0,) * channels, std=(40.0,) * channels)
    scaled_HWC = image_HWC / 255
    if kind == "ct":
        spec, scaled_HWC = replace(spec, kind="ct"), (image_HWC - 90) / 40
    confidence_hw = rng.random((36, 48), np.float32)
    found = measure_families(image_HWC, labels_HW, confidence_hw, spec, LABELS.names)
    is_valid = labels_HW != IGNORE
    picture = list(found["image"].values())
    valid_PC = scaled_HWC[is_valid]
    assert picture[:channels] == pytest.approx(valid_PC.mean(0), rel=1e-5, abs=1e-6)
    assert picture[channels : 2 * channels] == pytest.approx(valid_PC.std(0), rel=1e-5)
    ends = (0, 1) if kind == "photograph" else (-3, 3)
    counts, _ = np.histogram(np.clip(valid_PC.mean(1), *ends), 16, ends)
    assert picture[-16:] == pytest.approx(counts / counts.sum(), abs=3 / counts.sum())
    known = np.sort(confidence_hw[is_valid[choose_pixels((72, 96))]])
    assert list(found["confidence"].values()) == pytest.approx(
        [known.mean(), *np.quantile(known, QUANTILES)], rel=1e-5
    )
    for index, name in enumerate(LABELS.names):
        share = (labels_HW == index).sum() / is_valid.sum()
        assert found["classes"][name] == pytest.approx(share)
        _, num = label(labels_HW == index, np.ones((3, 3)))
        assert found["shapes"][f"regions {name}"] == pytest.approx(np.log1p(num))


@pytest.mark.parametrize(("kind", "channels"), [("photograph", 3), ("ct", 2)])
def test_levels_are_the_histograms_of_the_pixels_with_data(kind, channels):
    rng = np.random.default_rng(channels)
    mean, std = (0.0,) * channels, (1.0,) * channels
    spec = InputSpec(channels=channels, mean=mean, std=std, kind=kind)
    image_HWC = rng.integers(0, 256, (60, 80, channels), np.uint8)
    if kind != "photograph":
        image_HWC = rng.normal(size=(60, 80, channels), scale=2).astype(np.float32)
    labels_HW = np.zeros((60, 80), np.uint8)
    labels_HW[:10] = IGNORE
    found = measure_levels(image_HWC, labels_HW, spec)
    low, high = (0, 256) if kind == "photograph" else (-3, 3)
    for index, shares in enumerate(found.values()):
        values = np.clip(image_HWC[10:, :, index], low, high)
        expected, _ = np.histogram(values, NUM_LEVELS, (low, high))
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=0.002)
    names = ["red", "green", "blue"] if kind == "photograph" else ["channel 1", "channel 2"]
    assert list(found) == names


def test_entropy_is_1_where_all_classes_are_as_likely_and_0_where_one_is_sure():
    shares_KP = np.float32([[0.25, 1, 0.5], [0.25, 0, 0.5], [0.25, 0, 0], [0.25, 0, 0]])
    found = measure_entropy(shares_KP)
    assert found["mean"] == pytest.approx(0.5)
    assert found["quantile 50%"] == pytest.approx(0.5)
    assert measure_entropy(np.zeros((4, 0), np.float32))["mean"] == 0
    random_KP = np.random.default_rng(0).dirichlet(np.ones(5), 99).T.astype(np.float32)
    expected_P = entropy(random_KP, base=5)
    found = measure_entropy(random_KP)
    assert found["quantile 95%"] == pytest.approx(np.quantile(expected_P, 0.95), abs=1e-5)


def write_photos(folder, values, seed):
    """Images whose first channel is the class that the painted model says."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(60):
        image_HWC = np.zeros((16, 16, 3), np.uint8)
        image_HWC[..., 0] = rng.choice(values, (16, 16))
        image_HWC[..., 1] = rng.integers(90, 160)
        Image.fromarray(image_HWC).save(folder / f"{number:03}.png")


def test_predict_writes_observations_and_drift_reads_them(painted_bundle, tmp_path):
    bundle, runner = painted_bundle(tmp_path / "bundle").root, CliRunner()
    for name, values, seed in (
        ("old", (0, 1, 2), 0),
        ("same", (0, 1, 2), 1),
        ("new", (0, 3), 2),
    ):
        write_photos(tmp_path / f"photos-{name}", values, seed)
        photos, out = str(tmp_path / f"photos-{name}"), str(tmp_path / name)
        done = runner.invoke(
            app, ["predict", str(bundle), photos, "-o", out, "--write", "observations"]
        )
        assert done.exit_code == 0, done.output
    assert len(list(read_observations(tmp_path / "old"))) == 60
    pair = [str(tmp_path / "old"), str(tmp_path / "same"), "--independent"]
    same = runner.invoke(app, ["drift", *pair])
    assert same.exit_code == 0, same.output
    assert "no change" in same.output
    pair[1] = str(tmp_path / "new")
    new = runner.invoke(app, ["drift", *pair, "--json"])
    assert new.exit_code == 3
    assert "classes" in json.loads(new.stdout)["changed"]
    shown = runner.invoke(app, ["drift", *pair]).output
    assert "60 images in 60 groups, compared with 60 in 60; a group is 1 image" in shown
    effects = json.loads(new.stdout)["families"]["classes"]["effects"]
    assert {e["name"]: e["after"] for e in effects}["tree"] == 0
    assert "  tree: 0.33" in shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "line 1: not a line of observations"),
        ("{", "line 1: not JSON"),
        ('{"schema_version": 1, "key": "a"}', "line 1: not an observation"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(text, message, tmp_path):
    (tmp_path / "observations.ndjson").write_text(text + "\n")
    with pytest.raises(DataError, match=message):
        list(read_observations(tmp_path))


def test_a_folder_without_observations_says_how_to_write_them(tmp_path):
    with pytest.raises(DataError, match=r"no such file; .*--write observations"):
        list(read_observations(tmp_path))


def test_a_bundle_is_a_reference_and_one_without_a_baseline_says_what_to_do(
    painted_bundle, tmp_path
):
    bundle, runner = painted_bundle(tmp_path / "bare" / "bundle"), CliRunner()
    for seed, (name, values) in enumerate(SETS.items()):
        write_photos(tmp_path / name, values, seed)
        done = runner.invoke(
            app,
            [
                *("predict", str(bundle.root), str(tmp_path / name)),
                *("-o", str(tmp_path / "out" / name), "--write", "observations"),
            ],
        )
        assert done.exit_code == 0, done.output
    bare = runner.invoke(app, ["drift", str(bundle.root), str(tmp_path / "out/new")])
    assert bare.exit_code == 1
    assert "this bundle has no baseline.ndjson" in str(bare.exception)
    known = {name: bundle.file(name) for name in bundle.files}
    write_bundle(
        tmp_path / "run" / "bundle",
        bundle.card,
        known | {BASELINE: tmp_path / "out/old/observations.ndjson"},
        graphs=bundle.graphs,
    )
    for name, status in (("same", 0), ("new", 3)):
        found = runner.invoke(
            app,
            ["drift", str(tmp_path / "run"), str(tmp_path / "out" / name), "--independent"],
        )
        assert found.exit_code == status, found.output
