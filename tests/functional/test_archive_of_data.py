"""An archive is DATA of `plan` and `train`, as README promises."""

import shutil

import numpy as np
import pytest
from PIL import Image

from maskwright.training.options import TrainOptions
from maskwright.training.run import plan, train

SETTINGS = {
    "model.encoder": "test_resnet",
    "model.encoder_weights": "none",
    "schedule.epochs": 1,
}


@pytest.fixture
def archive(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(8):
        mask = np.zeros((32, 32), np.uint8)
        mask[5:20, 5 : 10 + number] = 1
        noise = rng.integers(0, 255, (32, 32, 3), np.uint8)
        for folder, pixels in (("images", noise), ("masks", mask)):
            (tmp_path / "d" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "d" / folder / f"{number}.png")
    return shutil.make_archive(str(tmp_path / "d"), "zip", tmp_path / "d")


def test_a_recipe_is_planned_for_an_archive(archive):
    planned = plan(archive, settings=SETTINGS)
    assert planned.recipe.schedule.epochs == 1


@pytest.mark.slow
def test_a_model_is_trained_on_an_archive_and_nothing_is_written_beside_it(archive, tmp_path):
    run = train(archive, tmp_path / "run", TrainOptions(settings=SETTINGS))
    assert run.bundle.root.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "d.zip", "run"]
