"""A street of a few small scenes, and recipes that learn it in seconds."""

import pytest

from maskwright.data.synth.streets import write_street_scenes
from maskwright.training.job import Status
from maskwright.training.options import Callbacks, TrainOptions
from maskwright.training.run import train

QUICK = {
    "model.arch": "fpn",
    "model.encoder": "test_resnet",
    "model.encoder_weights": "none",
    "model.config": {"pyramid_channels": 16, "decoder_channels": 32, "dropout": 0.3},
    "input.scale_ratio": 1.0,
    "data.crop_px": [64, 64],
    "data.batch_size": 2,
    "optim.precision": "fp32",
    "schedule.epochs": 2,
}


@pytest.fixture(scope="session")
def street(tmp_path_factory):
    root = tmp_path_factory.mktemp("street") / "data"
    return write_street_scenes(root, num_images=14, size_HW=(64, 64), seed=3)


@pytest.fixture
def quick():
    return dict(QUICK)


@pytest.fixture(scope="session")
def finished(street, tmp_path_factory):
    seen: list[Status] = []
    out = tmp_path_factory.mktemp("runs") / "a"
    run = train(street, out, TrainOptions(settings=QUICK), Callbacks(on_step=seen.append))
    return run, seen
