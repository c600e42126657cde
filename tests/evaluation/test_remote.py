"""evaluate by workers: the report of one process, whatever the order of their answers."""

import pickle
from functools import partial

import numpy as np
import pytest
from PIL import Image
from tests.deadly import open_deadly
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError, DataError
from maskwright.data.dataset import open_dataset
from maskwright.evaluation import remote
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.remote import Remote
from maskwright.evaluation.report.page import write_report
from maskwright.inference.cluster import RayWorkers
from maskwright.inference.engine import EngineOptions
from maskwright.inference.opening import open_ensemble

NAMES = ("sky", "road", "tree")
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # Ray's own
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return painted_bundle(tmp_path / "model/bundle", names=NAMES).root


@pytest.fixture
def dataset(tmp_path):
    """Nine images of two sizes; some pixels are wrong, and one image is brighter."""
    root, rng = tmp_path / "data", np.random.default_rng(0)
    for number in range(9):
        truth_HW = rng.integers(0, 3, (9 + number % 2, 12), np.uint8)
        shown_HW = np.where(rng.random(truth_HW.shape) < 0.02 * number, 1, truth_HW)
        shown_HW[0, 0] = 3 if number == 5 else 0
        for kind, pixels in (
            ("images", np.repeat(shown_HW[..., None], 3, 2)),
            ("masks", truth_HW),
        ):
            path = root / kind / "test" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    (root / "dataset.yaml").write_text("classes: [{name: sky}, {name: road}, {name: tree}]\n")
    return open_dataset(root)


def run_apart(work, parts):
    """Runs parts as another process would, the last one first."""
    run = pickle.loads(pickle.dumps(work)).begin(EngineOptions(threads=1), num_threads=1)
    for part in reversed(pickle.loads(pickle.dumps(parts))):
        yield pickle.loads(pickle.dumps(run(part)))


def write(folder, report):
    write_report(report, folder)
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_workers_that_answer_in_any_order_give_the_report_of_one_process(
    bundle, dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(remote, "_MOST_IMAGES", 4)
    model = open_ensemble(bundle)
    whole = evaluate(model, dataset)
    parts = evaluate(model, dataset, remote=Remote(partial(open_ensemble, bundle), run_apart))
    assert 0.8 < whole.scores["pixel_accuracy"].value < 1
    assert write(tmp_path / "parts", parts) == write(tmp_path / "whole", whole)


def test_an_image_that_ends_its_workers_is_named_and_nothing_is_scored(bundle, dataset):
    def give_up(work, parts):
        yield work.give_up(parts[0], num_deaths=3)

    with pytest.raises(DataError, match=r"0\.png: 3 workers in a row ended .* 9 images up to"):
        evaluate(open_ensemble(bundle), dataset, remote=Remote(open_ensemble, give_up))


def test_what_needs_one_process_is_refused(bundle, dataset, tmp_path):
    model, there = open_ensemble(bundle), Remote(open_ensemble, run_apart)
    with pytest.raises(ConfigError, match="a gallery needs each prediction in this process"):
        evaluate(model, dataset, remote=there, gallery_in=tmp_path)
    for workers, message in (
        ("dask", "workers is 'dask'; use ray, or ray:ADDRESS of a cluster"),
        ("ray:10.0.0.1:6379", "data.zip: is copied or unpacked on this machine"),
    ):
        run = ["evaluate", str(bundle), "data.zip", "--workers", workers]
        with pytest.raises(ConfigError, match=message):
            CliRunner().invoke(app, run, catch_exceptions=False)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray_start")
def test_a_killed_worker_changes_no_score(bundle, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "_MOST_IMAGES", 3)
    killed = tmp_path / "killed"
    workers = Remote(open_deadly(bundle, after=killed), RayWorkers(num_workers=2))
    model = open_ensemble(bundle)
    report = evaluate(model, dataset, remote=workers)
    assert killed.exists()
    whole = evaluate(model, dataset)
    assert write(tmp_path / "ray", report) == write(tmp_path / "whole", whole)


@pytest.mark.long
def test_a_hundred_streets_on_a_cluster_score_as_in_one_process(bundle, tmp_path):
    root = tmp_path / "streets"
    for kind in ("images", "masks"):
        (root / kind / "test").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number in range(100):
        truth_HW = rng.integers(0, 3, (64, 96), np.uint8)
        Image.fromarray(truth_HW).save(root / f"masks/test/{number:03}.png")
        shown_HW3 = np.repeat(np.roll(truth_HW, 1, axis=1)[..., None], 3, axis=2)
        Image.fromarray(shown_HW3).save(root / f"images/test/{number:03}.png")
    (root / "dataset.yaml").write_text("classes: [{name: sky}, {name: road}, {name: tree}]\n")
    for out, more in (("one", []), ("many", ["--workers", "ray"])):
        run = ["evaluate", str(bundle), str(root), "-o", str(tmp_path / out), *more]
        CliRunner().invoke(app, run, catch_exceptions=False)
    one, many = (tmp_path / name / "report.json" for name in ("one", "many"))
    assert many.read_bytes() == one.read_bytes()
