"""Out-of-fold prediction: each image by the run that validated on it, and by no other."""

import shutil

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import BundleError, DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.splits import make_split
from maskwright.inference.folds import open_folds
from maskwright.inference.predict import predict

YAML = "classes:\n" + "".join(f"  - {{name: {n}}}\n" for n in ("sky", "road", "tree", "car"))


@pytest.fixture
def data(tmp_path):
    """Six images that show their own class maps, in three folds."""
    root = tmp_path / "data"
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for number in range(6):
        map_HW = np.roll(np.arange(4, dtype=np.uint8), number).reshape(2, 2)
        Image.fromarray(map_HW).save(root / f"masks/im{number}.png")
        Image.fromarray(np.repeat(map_HW[..., None], 3, 2)).save(
            root / f"images/im{number}.png"
        )
    (root / "dataset.yaml").write_text(YAML)
    make_split(root, folds=3)
    return root


@pytest.fixture
def runs(data, painted_bundle, tmp_path):
    """One run for each fold, with a Bundle whose weights name the fold."""
    dataset = open_dataset(data)
    for number in range(3):
        fold = f"fold{number}"
        run = tmp_path / f"runs/{number}"
        provenance = {"val": {"fingerprint": dataset.subset(fold).fingerprint}}
        painted_bundle(run / "bundle", provenance=provenance)
        (run / "recipe.yaml").write_text(f"data:\n  val_split: {fold}\n")
    return tmp_path / "runs"


def test_each_image_is_predicted_by_the_run_that_did_not_see_it(data, runs, tmp_path):
    folds = open_folds(runs, data)
    dataset = open_dataset(data)
    for key, split in zip(dataset.keys, map(dataset.split_of, range(6)), strict=True):
        assert folds.choose(key) is folds.predictors[split]
    ids = [predictor.model_id for predictor in folds.predictors.values()]
    assert len(set(ids)) == 3
    assert folds.model_id == "+".join(ids)
    summary = predict(folds, [], tmp_path / "out")
    assert summary.num_images == 6
    with Image.open(tmp_path / "out/classes/im5.png") as image:
        np.testing.assert_array_equal(
            np.array(image), dataset.labels(dataset.keys.index("im5"))
        )


def test_a_fold_without_a_run_is_named(data, runs):
    shutil.rmtree(runs / "1")
    with pytest.raises(BundleError, match=r"no run that validated on fold1; .* --fold 1, into"):
        open_folds(runs, data)


def test_two_runs_of_one_fold_are_refused(data, runs):
    shutil.copytree(runs / "1", runs / "again")
    with pytest.raises(BundleError, match="both validated on fold1; move one of them away"):
        open_folds(runs, data)


def test_runs_on_other_folds_are_refused(data, runs):
    make_split(data, folds=3, seed=5, redraw=True)
    with pytest.raises(
        DataError, match=r"so it may have seen some of them; train it again with"
    ):
        open_folds(runs, data)


def test_a_dataset_without_folds_is_refused(data, runs):
    make_split(data, redraw=True, val=0.4, test=0)
    with pytest.raises(DataError, match="has no folds; draw them with `maskwright split"):
        open_folds(runs, data)
