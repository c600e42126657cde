"""A Bundle learns to estimate its mIoU: fitted on labelled images, plain and corrupted."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.bundle import ESTIMATOR, open_bundle
from maskwright.core.errors import DataError
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.estimator import KINDS, SEVERITIES, estimate
from maskwright.monitoring.estimate import BLOCKS, METHODS, Estimator


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Images whose first channel is the class that the painted model says."""
    folder, rng = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    for number in range(6):
        labels_HW = rng.integers(0, 3, (4, 4)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
        image_HWC = np.zeros((32, 32, 3), np.uint8)
        image_HWC[..., 0], image_HWC[..., 1] = labels_HW, rng.integers(90, 160)
        for kind, array in (("images", image_HWC), ("masks", labels_HW)):
            path = folder / kind / "val" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return folder


@pytest.fixture
def model(painted_bundle, tmp_path, labelled):
    bundle = painted_bundle(tmp_path / "bundle")
    names = "".join(f"{k} {name}\n" for k, name in enumerate(bundle.card.labels.names))
    (labelled / "classes.txt").write_text(names)
    return bundle


def test_the_verb_writes_a_bundle_of_the_same_model_with_an_estimator(
    model, labelled, tmp_path
):
    out = tmp_path / "out"
    asked = ["estimate", str(model.root), str(labelled), "-o", str(out), "--json", "--quiet"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    bundle, result = open_bundle(out), json.loads(done.stdout)
    assert bundle.model_id == model.model_id == result["id"]
    assert set(bundle.files) == {*model.files, ESTIMATOR}
    estimator = Estimator.from_json(json.loads((out / ESTIMATOR).read_text()), where="x")
    assert estimator.lines["soft"].miou == result["miou"] == 1
    assert (len(estimator.folds), estimator.group_images) == (BLOCKS, 1)
    for fold in estimator.folds:
        for method in METHODS:
            assert [len(each) for each in fold.errors[method]] == [len(SEVERITIES)] * len(KINDS)


def test_too_few_images_are_refused_and_nothing_is_written(model, labelled, tmp_path):
    dataset = open_dataset(labelled)
    with pytest.raises(DataError, match="no split 'test'"):
        estimate(model.root, dataset, tmp_path / "out", split="test")
    assert not (tmp_path / "out").exists()
