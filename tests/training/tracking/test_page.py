"""The page of a run, from files that are written here."""

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelSpec
from maskwright.core.sample import Sample
from maskwright.training.tracking.history import History, StepPoint
from maskwright.training.tracking.page import PAGE, Standing, write_page
from maskwright.training.tracking.previews import Previews

from ...browser import Browser, find_browser

LABELS = LabelSpec.from_names(["road", "<car>", "unicorn"])
SPEC = InputSpec(channels=3, mean=(0.5,) * 3, std=(0.2,) * 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs") / "a"
    root.mkdir()
    history, previews = History(root, LABELS.names, 0), Previews.open(root, LABELS, SPEC)
    rng = np.random.default_rng(0)
    image_HWC = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    labels_HW = (np.arange(64)[None] // 32 + np.zeros((48, 1))).astype(np.uint8)
    previews.add_samples(image_HWC[None], labels_HW[None], ["crop"], in_range=True)
    one = Sample(key="street/1", group="street", image_HWC=image_HWC, labels_HW=labels_HW)
    for step in range(1, 31):
        use = {"wait": 0.5, "cpu": 0.9, "memory": 0.4, "gpu": 0.85, "gpu_memory": 0.3}
        point = {"seconds": 2.0 * step, "loss": 3 / step, "lr": 1e-3, "images_per_s": 12.5}
        history.add_point(StepPoint(step=step, **point, **use))
        if step % 10 == 0:
            history.add_validation(step, step / 60, [step / 40, step / 50, math.nan])
            previews.add_prediction(0, one, labels_HW, step)
    history.write_steps()
    previews.write_document()
    return root


def draw(run, state="training", left_s=125.0):
    write_page(run, LABELS, SPEC, Standing(state, 30, 60, left_s))
    return (run / PAGE).read_text(encoding="utf-8")


def test_the_page_tells_how_far_the_run_is_and_every_class(run):
    text = draw(run)
    assert "Training, step 30 of 60" in text
    assert "2 min 05 s left to train" in text
    assert "<b>50.0&nbsp;%</b>" in text
    assert re.findall(r"</span>(road|&lt;car&gt;|unicorn)</th>", text) == [
        *("road", "&lt;car&gt;", "unicorn")
    ]
    assert "street/1" in text
    assert "12.5&nbsp;images/s" in text
    assert "<car>" not in text


def test_the_page_loads_itself_again_only_while_the_run_trains(run):
    assert "location.reload()" in draw(run)
    assert "location.reload()" not in draw(run, "stopped")
    text = draw(run, "finished")
    assert "location.reload()" not in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)(?!\w+\.csv")[^"]*"', text)


def test_curves_are_files_that_any_viewer_opens(run):
    draw(run)
    found = {path.name for path in (run / "curves").iterdir()}
    assert found == {f"{n}.svg" for n in ("loss", "learning-rate", "miou", "iou", "machine")}
    for path in (run / "curves").iterdir():
        ET.parse(path)
    machine = (run / "curves" / "machine.svg").read_text()
    assert all(f"<title>{n}</title>" in machine for n in ("GPU", "processor", "memory"))


def test_a_run_without_a_step_has_a_page(tmp_path):
    write_page(tmp_path, LABELS, SPEC, Standing("training", 0, 60))
    assert "Training, step 0 of 60" in (tmp_path / PAGE).read_text(encoding="utf-8")


@pytest.mark.slow
def test_nothing_is_wider_than_the_window_and_pictures_load(run, tmp_path):
    draw(run)
    browser = Browser(find_browser(), tmp_path)
    try:
        for width_px in (1280, 390):
            browser.open(run / PAGE, width_px=width_px)
            browser.wait_for("[...document.images].every(i => i.complete && i.naturalWidth)")
            assert browser.value("document.documentElement.scrollWidth") == width_px
            assert browser.value("document.images.length") == 6
    finally:
        browser.close()
