"""Services that hold runs, offline; each is skipped where its package is not installed."""

import json
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from accelerate import PartialState

from maskwright.core.errors import ConfigError, MissingDependencyError
from maskwright.training.recipe import Recipe, override
from maskwright.training.tracking import services
from maskwright.training.tracking.services import (
    FILE_NAME,
    SERVICES,
    open_services,
    require_services,
)

PICTURE = np.full((6, 8, 3), 200, np.uint8)


@pytest.fixture
def job(tmp_path):
    PartialState(cpu=True)
    (tmp_path / "a").mkdir()
    recipe = override(Recipe(), {"optim.lr": 0.25})
    return SimpleNamespace(run=tmp_path / "a", recipe=recipe)


def send(job, name, step):
    (board,) = open_services([name], job)
    board.log({"loss": 0.5 / step, "iou/<car>": 0.25}, step)
    board.log_pictures({"val/a/b": PICTURE}, step)
    board.close()
    return json.loads((job.run / FILE_NAME).read_text())[name]


def test_an_unknown_service_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no tracker named 'wandbb'; did you mean 'wandb'"):
        require_services(["wandbb"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_is_not_installed_ends_with_the_command(monkeypatch, name):
    monkeypatch.setattr(services, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'maskwright\[{name}\]'"):
        require_services([name])


def test_a_run_without_services_leaves_no_file(job):
    assert open_services([], job) == []
    assert not list(job.run.iterdir())


@pytest.mark.filterwarnings("ignore")  # its own, of versions to come
@pytest.mark.slow
@pytest.mark.skipif(find_spec("mlflow") is None, reason="needs maskwright[mlflow]")
def test_mlflow_has_numbers_pictures_and_the_recipe_and_a_resumed_run_goes_on(
    job, tmp_path, monkeypatch
):
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(uri)
    found = send(job, "mlflow", 1)
    assert send(job, "mlflow", 2) == found
    client = mlflow.MlflowClient(uri)
    run = client.get_run(found)
    assert run.info.run_name == "a"
    assert run.data.params["optim.lr"] == "0.25"
    assert [m.value for m in client.get_metric_history(found, "loss")] == [0.5, 0.25]
    assert run.data.metrics["iou/_car_"] == 0.25
    pictures = {item.path for item in client.list_artifacts(found)}
    assert pictures == {"step-0000001", "step-0000002"}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("wandb") is None, reason="needs maskwright[wandb]")
def test_wandb_writes_the_run_offline_and_a_resumed_run_has_the_same_name(job, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    found = send(job, "wandb", 1)
    assert send(job, "wandb", 2) == found
    written = sorted(Path(job.run, "wandb").glob(f"offline-run-*-{found}"))
    assert written
    assert any(path.stat().st_size for path in written[0].glob("*.wandb"))
    assert list(written[0].rglob("*.png"))
