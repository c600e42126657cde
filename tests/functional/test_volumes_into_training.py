"""Volumes from check to prediction: gzipped cases of two channels, in nnU-Net's folder.

The class of a pixel is told by the slice above it alone, so a network that sees one slice
guesses, and one that sees its neighbours learns.
"""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.progress import silent
from maskwright.data.dataset import open_as_is
from maskwright.inference.predictor import open_model
from maskwright.training.data import TrainingData
from maskwright.training.machine import Machine
from maskwright.training.planning.rules import make_plan
from maskwright.training.planning.situation import Situation
from maskwright.training.samples.loader import Crops

CHANNELS = {"0": "T1", "1": "FLAIR"}
SHAPE = (32, 32, 5)
FREE = {"model.encoder_weights": "none", "optim.precision": "fp32"}
TINY = {
    "model.arch": "fpn",
    "model.encoder": "test_resnet",
    "model.config": "{pyramid_channels: 16, decoder_channels: 32}",
    "model.encoder_weights": "none",
    "data.crop_px": "[32, 32]",
    "data.batch_size": 4,
    "schedule.epochs": 1,
}


def draw_case(number):
    """Blocks that are bright or dark in each slice, and the blocks of the slice above."""
    rng = np.random.default_rng(number)
    bright = np.kron(rng.integers(0, 2, (4, 4, SHAPE[2])), np.ones((8, 8, 1), int))
    above = np.concatenate([bright[..., 1:], bright[..., -1:]], axis=-1)
    noise = rng.normal(0, 0.1, (2, *SHAPE))
    return np.stack([bright, 1 - bright]) + 10 + noise, above.astype(np.uint8)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Eight cases of training with their folds, and one without labels."""
    root = tmp_path_factory.mktemp("volumes") / "Dataset001_Blocks"
    for number in range(9):
        ending, case = ("Tr", f"case{number}") if number < 8 else ("Ts", "case8")
        values, labels = draw_case(number)
        files = {f"images{ending}/{case}_{c:04}": v for c, v in enumerate(values)}
        files |= {f"labelsTr/{case}": labels} if number < 8 else {}
        for name, voxels in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            dtype = np.uint8 if name.startswith("labels") else np.float32
            image = nib.Nifti1Image(voxels.astype(dtype), np.diag([-1, -1, 4, 1.0]))
            image.header.set_xyzt_units("mm")
            nib.save(image, root / f"{name}.nii.gz")
    table = {"channel_names": CHANNELS, "labels": {"background": 0, "tumor": 1}}
    table |= {"numTraining": 8, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(table))
    train = [f"case{n}" for n in range(8)]
    pair = {"train": train[:6], "val": train[6:]}
    (root / "splits_final.json").write_text(json.dumps([pair]))
    return root


def run(*args):
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == 0, result.exception
    return result.output


@pytest.mark.slow
def test_volumes_go_from_the_check_to_a_prediction(root, tmp_path):
    assert "channels are T1, FLAIR" in run("check", root)
    settings = [x for key, value in TINY.items() for x in ("--set", f"{key}={value}")]
    out = tmp_path / "run"
    run("train", root, "-o", out, "--set", "input.slices=3", *settings)
    spec = open_model(out / "bundle").card.input
    assert (spec.channels, spec.slices, spec.bands) == (6, 3, ("T1", "FLAIR"))
    run("evaluate", out, root, "--split", "val", "-o", tmp_path / "report")
    report = json.loads((tmp_path / "report/report.json").read_text())
    assert [one["patient"] for one in report["patients"]] == ["case6", "case7"]
    assert report["scores"]["mean_patient_dice"] is not None
    by_folder = run("predict", out, root / "imagesTs", "-o", tmp_path / "folder")
    files = sorted((root / "imagesTs").iterdir())
    run("predict", out, *files, "-o", tmp_path / "files")
    assert "5 images" in by_folder
    (one,), (other,) = (
        sorted((tmp_path / name / "classes").rglob("*.nii.gz")) for name in ("folder", "files")
    )
    assert one.read_bytes() == other.read_bytes()
    np.testing.assert_array_equal(nib.load(one).affine, nib.load(files[0]).affine)
    args = ("predict", out, files[0], "-o", tmp_path / "lone")
    lone = CliRunner().invoke(app, [str(arg) for arg in args])
    assert lone.exit_code == 1
    assert "the bands T1, FLAIR are asked for" in str(lone.exception)


def fit_one_convolution(root, slices):
    """Share of the validation pixels that a 1 x 1 convolution gets right after 80 steps."""
    settings = FREE | {"input.slices": slices, "data.crop_px": [32, 32], "augment.blur": 0.0}
    data = TrainingData.read(root, settings, silent)
    recipe = make_plan(Situation.from_data(data, Machine.detect()), settings).recipe
    torch.manual_seed(0)
    network = torch.nn.Conv2d(recipe.input.channels, 2, 1)
    optimizer = torch.optim.Adam(network.parameters(), 0.1)
    crops = Crops(data.train.__getitem__, data.facts.counts_NC, recipe, num_samples=80)
    for item in (crops[n] for n in range(80)):
        # (H, W, C) -> (1, C, H, W)
        logits_1KHW = network(item["image"].permute(2, 0, 1)[None])
        loss = torch.nn.functional.cross_entropy(
            logits_1KHW, item["labels"][None].long(), ignore_index=255
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = []
    spec = recipe.input.spec
    for sample in (data.val[n] for n in range(len(data.val))):
        image_HWC = spec.prepare(sample.image_HWC, where=sample.key)
        x_CHW = torch.from_numpy(spec.measure_scaling(image_HWC).normalize(image_HWC))
        predicted_HW = network(x_CHW[None])[0].argmax(0).numpy()
        right.append((predicted_HW == sample.labels_HW).mean())
    return np.mean(right)


def test_neighbours_tell_what_a_single_slice_cannot(root):
    assert fit_one_convolution(root, 1) < 0.75
    assert fit_one_convolution(root, 3) > 0.97


def test_a_plan_takes_each_slice_by_itself_and_says_so(root):
    data = TrainingData.read(root, FREE, silent)
    plan = make_plan(Situation.from_data(data, Machine.detect()), FREE)
    assert (plan.recipe.input.slices, plan.recipe.input.channels) == (1, 2)
    assert plan.reasons["input.slices"].startswith("each slice by itself; 3 adds")


@pytest.mark.parametrize("slices", [2, 0, "many"])
def test_a_number_of_slices_that_is_not_odd_is_refused_before_all_is_read(root, slices):
    with pytest.raises(ConfigError, match=r"input\.slices is odd"):
        TrainingData.read(root, FREE | {"input.slices": slices}, silent)


def test_channels_that_are_known_by_order_alone_are_taken_all(root):
    with pytest.raises(ConfigError, match="the files tell their channels by order alone"):
        TrainingData.read(root, FREE | {"input.bands": ["FLAIR", "T1"]}, silent)


def test_single_images_have_no_neighbours(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / kind / "a.png")
    with pytest.raises(DataError, match=r"a\.png: is a single image, and each slice is read"):
        open_as_is(tmp_path).with_slices(3)
