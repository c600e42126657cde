"""What a run records, by a tracker that is told of steps by hand."""

from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.confusion import Confusion
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelSpec
from maskwright.training.checkpoint import RunProgress
from maskwright.training.job import Job, Status
from maskwright.training.recipe import Recipe, override
from maskwright.training.tracking import tracker as tracking
from maskwright.training.tracking.history import STEP_COLUMNS, read_columns
from maskwright.training.tracking.tracker import start_tracker

SPEC = InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3)
CARD = ModelCard(
    labels=LabelSpec.from_names(["road", "car"]),
    input=SPEC,
    arch=ArchSpec(name="fpn", encoder="test_resnet"),
)


def make_tracker(run, *, step=0, is_main=True):
    settings = {"data.batch_size": 4, "schedule.epochs": 2, "schedule.steps_per_epoch": 300}
    counts_NC = np.ones((8, 2), np.int64)
    recipe = override(Recipe(), settings)
    images = SimpleNamespace(__len__=lambda: 8)
    job = Job(run=run, recipe=recipe, card=CARD, train=images, val=[0] * 8, counts_NC=counts_NC)
    device = SimpleNamespace(
        is_main_process=is_main, device=torch.device("cpu"), num_processes=1
    )
    return start_tracker(job, RunProgress(step=step), device)


def end_steps(tracker, steps, num_steps=600):
    for step in steps:
        tracker.add_loss(float(step))
        speed = {"images_per_s": 1.0, "left_s": 1.0}
        scores = {"epoch": 0, "loss": 1.0, "miou": None, "best_miou": None}
        tracker.end_step(Status(step=step, num_steps=num_steps, **scores, **speed), 0.1)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where a test says so."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(tracking.time, "monotonic", lambda: now.s)
    return now


def test_a_row_has_the_means_of_its_steps(tmp_path, clock):
    tracker = make_tracker(tmp_path)
    with tracker:
        for step in range(1, 7):
            clock.s += 0.5
            end_steps(tracker, [step])
    rows = read_columns(tmp_path / "steps.csv", STEP_COLUMNS)
    assert rows["step"].tolist() == [3, 6]
    assert rows["loss"].tolist() == [2, 5]
    assert rows["images_per_s"].tolist() == [8, 8]


def test_waiting_for_data_is_measured_and_validation_is_not_training(tmp_path, clock):
    def load():
        for _ in range(3):
            clock.s += 1.0
            yield {"image": torch.zeros(4, 8, 8, 3), "labels": torch.zeros(4, 8, 8).byte()} | {
                "key": list("abcd")
            }

    tracker = make_tracker(tmp_path)
    with tracker:
        for step, _ in enumerate(tracker.watch(load()), start=1):
            clock.s += 3.0
            if step == 2:
                clock.s += 100.0
                tracker.add_validation(Confusion(np.diag([3, 1])), 100.0)
            end_steps(tracker, [step])
    rows = read_columns(tmp_path / "steps.csv", STEP_COLUMNS)
    assert rows["wait"].tolist() == [0.25]
    assert rows["images_per_s"].tolist() == [1]


def test_drawing_takes_a_hundredth_of_the_time(tmp_path, clock, monkeypatch):
    drawn = []

    def draw(*_):
        drawn.append(clock.s)
        clock.s += 2.0

    monkeypatch.setattr(tracking, "write_page", draw)
    tracker = make_tracker(tmp_path)
    for step in range(1, 601):
        clock.s += 1.0
        end_steps(tracker, [step])
    assert len(drawn) == 4
    assert tracker.drawing_s <= 0.01 * (clock.s - 100) + 2


def test_the_page_of_a_run_that_ends_says_how(tmp_path):
    with make_tracker(tmp_path) as tracker:
        end_steps(tracker, [1, 2, 3])
    assert "Report and Bundle" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_page_of_a_run_that_is_stopped_says_so(tmp_path):
    with suppress(KeyboardInterrupt), make_tracker(tmp_path) as tracker:
        end_steps(tracker, [1, 2, 3])
        raise KeyboardInterrupt
    assert "Stopped at step 3 of 600" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_process_that_is_not_the_main_one_writes_nothing(tmp_path):
    with make_tracker(tmp_path, is_main=False) as tracker:
        end_steps(tracker, [1, 600])
        assert list(tracker.watch([1, 2])) == [1, 2]
    assert not list(tmp_path.iterdir())
