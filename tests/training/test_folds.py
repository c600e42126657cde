"""Cross-validation with real trainings: no image is predicted by a run that saw it."""

import pytest

from maskwright.core.errors import BundleError
from maskwright.core.jsonfile import read_json
from maskwright.data.dataset import open_dataset
from maskwright.data.splits import make_split
from maskwright.data.synth.streets import write_street_scenes
from maskwright.evaluation.score import score
from maskwright.inference.folds import open_folds
from maskwright.inference.predict import predict
from maskwright.training.options import TrainOptions
from maskwright.training.recipe import read_recipe
from maskwright.training.run import open_run, train

FOLDS = ("fold0", "fold1")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("folds") / "data"
    write_street_scenes(root, num_images=8, size_HW=(64, 64), seed=3)
    make_split(root, folds=2, redraw=True, group=".+")
    return root


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A run of two steps on each fold."""
    from .conftest import QUICK

    folder = tmp_path_factory.mktemp("folds") / "runs"
    for fold in FOLDS:
        settings = {**QUICK, "schedule.epochs": 1, "data.val_split": fold}
        train(data, folder / fold, TrainOptions(settings=settings))
    return folder


def test_a_run_of_a_fold_trains_on_the_others_and_validates_on_its_own(data, runs):
    num_images = open_dataset(data).splits
    for fold, other in (FOLDS, FOLDS[::-1]):
        recipe = read_recipe(runs / fold / "recipe.yaml")
        assert (recipe.data.train_split, recipe.data.val_split) == (other, fold)
        begun = read_json(runs / fold / "run.json")
        assert begun["train"]["images"] == num_images[other]
        assert begun["val"]["images"] == num_images[fold]
        report = read_json(runs / fold / "report/report.json")
        assert report["provenance"]["data"]["splits"] == {fold: num_images[fold]}


def test_out_of_fold_predicts_each_image_once_by_the_run_that_did_not_see_it(
    data, runs, tmp_path
):
    folds = open_folds(runs, data)
    for key, fold in folds.fold_of.items():
        assert folds.choose(key) is folds.predictors[fold]
    summary = predict(folds, [], tmp_path / "oof", write=("classes",))
    assert summary.num_images == len(open_dataset(data)) == 8
    pooled = score(tmp_path / "oof/classes", data / "masks")
    summed_CC = sum(open_run(runs / fold).report.confusion.counts_CC for fold in FOLDS)
    assert (pooled.confusion.counts_CC == summed_CC).all()


def test_a_fold_without_a_run_is_named(data, runs, tmp_path):
    (tmp_path / "fold0").symlink_to(runs / "fold0")
    with pytest.raises(BundleError, match=r"no run that validated on fold1; train it with"):
        open_folds(tmp_path, data)
