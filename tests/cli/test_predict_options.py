"""`maskwright predict`: addresses and workers on the command line."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.inference.cluster import RayWorkers
from maskwright.inference.scatter import run_here

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return str(painted_bundle(tmp_path / "model/bundle").root)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "ab":
        Image.fromarray(np.full((4, 3, 3), ord(name) - 97, np.uint8)).save(
            folder / f"{name}.png"
        )
    return folder


def run(*args):
    """Exit status, what is printed, and the text of the error."""
    done = CliRunner().invoke(app, ["predict", *map(str, args)])
    return done.exit_code, done.stdout, str(done.exception)


def test_inputs_and_results_may_be_addresses(bundle, photos, tmp_path):
    store = fsspec.filesystem("memory")
    for path in photos.iterdir():
        store.pipe_file(f"/cli/images/{path.name}", path.read_bytes())
    out = "memory://cli/out"
    status, text, _ = run(bundle, "memory://cli/images", "-o", out, "--json")
    assert status == 0
    assert json.loads(text)["out"] == out
    assert store.exists("/cli/out/classes/a.png")
    status, _, err = run(bundle, "memory://cli/images", "-o", out)
    assert (status, "memory://cli/out: exists already; add --overwrite" in err) == (1, True)
    status, _, _ = run(bundle, photos.as_uri(), "-o", (tmp_path / "out").as_uri())
    assert status == 0
    assert (tmp_path / "out/results.json").is_file()
    store.rm("/cli", recursive=True)


def test_workers_predict_what_the_command_names(bundle, photos, tmp_path, monkeypatch):
    asked = []

    def stand_in(workers, job, shards):
        asked.append((workers.address, len(shards), job.kinds))
        return run_here(job, shards)

    monkeypatch.setattr(RayWorkers, "__call__", stand_in)
    out = tmp_path / "out"
    status, text, _ = run(bundle, photos, "-o", out, "--workers", "ray:10.0.0.1:6379")
    assert (status, "2 images" in text) == (0, True)
    assert asked == [("10.0.0.1:6379", 2, ("classes", "overlay", "confidence", "coverage"))]
    assert (out / "classes/b.png").is_file()


def test_what_is_not_possible_is_refused(bundle, photos, tmp_path):
    for args, message in (
        (("--workers", "dask"), "workers is 'dask'; use ray, or ray:ADDRESS"),
        (("--workers", "ray", "--mosaic"), "mosaic: needs all images in one process"),
    ):
        status, _, err = run(bundle, photos, "-o", tmp_path / "out", *args)
        assert (status, message in err) == (1, True), err
    status, _, err = run(bundle, "http://localhost/images/", "-o", tmp_path / "out")
    assert (status, "allow to fetch it with --allow-download" in err) == (1, True), err
    assert not (tmp_path / "out").exists()


def test_evaluate_fetches_http_where_it_is_allowed_alone(bundle, tmp_path):
    args = ["evaluate", bundle, "http://localhost/data", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, args)
    assert "allow to fetch it with --allow-download" in str(done.exception)
    assert not (tmp_path / "out").exists()
