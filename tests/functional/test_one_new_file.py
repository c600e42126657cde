"""A new part is one file: added to a copy of the package, it works through the command line."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FAMILY = '''"""Pixels that are predicted as a class and are another: a throw-away family."""

from maskwright.core.scores import mean_present, ratio
from maskwright.metrics.counts import Scores
from maskwright.metrics.family import ScoreText

TITLE = "False alarms"
NOTE = "Pixels predicted as a class that are another."
COLUMNS = {"alarm_wrong": "alarm_wrong_px", "alarm_predicted": "alarm_predicted_px"}
TEXTS = {
    "alarm_rate": ScoreText("Alarm rate"),
    "mean_alarm_rate": ScoreText("Mean alarm rate", "of the pixels called a class"),
}


def count(image, detail):
    counts_CC = image.confusion.counts_CC
    predicted = counts_CC.sum(axis=0)
    return {"alarm_wrong": predicted - counts_CC.diagonal(), "alarm_predicted": predicted}


def scores(counts, detail):
    return score_columns(counts)


def score_columns(counts):
    rate = ratio(counts["alarm_wrong"], counts["alarm_predicted"])
    return Scores(overall={"mean_alarm_rate": mean_present(rate)}, classes={"alarm_rate": rate})
'''

TARGET = '''"""ONNX under another name and with a wide tolerance: a throw-away target."""

from maskwright.core.graph import Tolerance
from maskwright.export.targets import onnx

FILE, ENGINE = "model.plain.onnx", "onnxruntime"
TOLERANCES = {"fp32": Tolerance(logit_ratio=0.5)}


def write(network, path, precision, *, size_HW=None):
    return onnx.write(network, path, precision)
'''
FORMAT = '''"""Images and labels in one folder, by the end of the name: a throw-away format."""

from maskwright.data.entries.scan import Entry, Scan
from maskwright.data.pixels.imageref import ImageRef


def recognises(root):
    return any(root.glob("*_photo.png"))


def scan(root, document):
    entries = []
    for image in root.glob("*_photo.png"):
        key = image.name.removesuffix("_photo.png")
        labels = ImageRef(root / f"{key}_label.png")
        entries.append(
            Entry(key=key, split="train", image=ImageRef(image), labels=labels, group=key)
        )
    return Scan(entries=tuple(entries))
'''
OLD = Path(__file__).parents[1] / "fixtures" / "written_by_0_1"

ENGINE = '''"""Stripes, a throw-away engine: a pixel in column x has class x modulo K."""

import numpy as np

from maskwright.inference.engine import Engine

PRIORITY = 99
FILES = "weights.safetensors"


class Stripes(Engine):
    name = "stripes"

    def __init__(self, num_classes):
        self.num_classes = num_classes

    def __call__(self, image_BCHW):
        batch, _, height, width = image_BCHW.shape
        index_K11 = np.arange(self.num_classes)[:, None, None]
        is_class_K1W = np.arange(width) % self.num_classes == index_K11
        shape = batch, self.num_classes, height, width
        return np.broadcast_to(is_class_K1W.astype(np.float32), shape).copy()


def build(file, card, options):
    return Stripes(len(card.labels))
'''

REFINER = '''"""One class everywhere: a throw-away refiner."""

from dataclasses import replace

import numpy as np
from pydantic import BaseModel

from maskwright.inference.resolution import decide


ON = "shares"


class Config(BaseModel, frozen=True, extra="forbid"):
    index: int = 0


def build(config, classes):
    def fill(decision, image):
        values_Khw = np.zeros_like(decision.logits.values_Khw)
        values_Khw[config.index] = 1
        return decide(replace(decision.logits, values_Khw=values_Khw))

    return fill
'''


@pytest.fixture
def class_maps(tmp_path):
    """Folders `truth`, `half` (every second pixel row of class 1 is called 0) and `right`."""
    truth_HW = np.zeros((8, 8), np.uint8)
    truth_HW[:, 4:] = 1
    half_HW = truth_HW.copy()
    half_HW[::2] = 0
    for folder, labels_HW in (("truth", truth_HW), ("half", half_HW), ("right", truth_HW)):
        (tmp_path / folder).mkdir()
        for index in range(6):
            Image.fromarray(labels_HW).save(tmp_path / folder / f"{index}.png")
    (tmp_path / "truth/classes.txt").write_text("0 road\n1 car\n")
    return tmp_path


def test_a_metric_family_is_scored_shown_written_and_compared(package_copy, class_maps):
    add_part, run = package_copy
    add_part("metrics/families/alarms.py", FAMILY)
    for command in (
        "score half truth --full -o a",
        "score right truth --full -o b",
        "compare a b -o c",
    ):
        done = run(*command.split(), cwd=class_maps)
        assert done.returncode == 0, done.stderr
    report = json.loads((class_maps / "a/report.json").read_text())
    assert report["settings"]["families"][-1] == "alarms"
    assert report["scores"]["mean_alarm_rate"] == pytest.approx((1 / 3 + 0) / 2)
    assert [c["alarm_rate"] for c in report["classes"]] == pytest.approx([1 / 3, 0])
    page = (class_maps / "a/report.html").read_text()
    assert "<h2>False alarms</h2>" in page
    assert "Mean alarm rate" in page
    with (class_maps / "a/images.csv").open() as file:
        road = next(csv.DictReader(file))
    assert (road["alarm_wrong_px"], road["alarm_predicted_px"]) == ("16", "48")
    compared = json.loads((class_maps / "c/compare.json").read_text())
    assert compared["scores"]["mean_alarm_rate"]["difference"] == pytest.approx(-1 / 6)
    assert compared["classes"][0]["alarm_rate"]["b"] == 0
    assert "Mean alarm rate" in (class_maps / "c/compare.html").read_text()


def test_a_metric_family_that_lacks_a_name_is_refused_with_the_name(package_copy, class_maps):
    add_part, run = package_copy
    add_part("metrics/families/alarms.py", FAMILY.replace("def count(", "def tally("))
    done = run("score", "half", "truth", "-o", "a", cwd=class_maps)
    assert done.returncode == 1
    assert "this family lacks count; see maskwright.metrics.family.Family" in done.stderr


def test_an_export_target_is_chosen_by_its_name_and_its_graph_is_run(package_copy, tmp_path):
    add_part, run = package_copy
    add_part("export/targets/plain.py", TARGET)
    bundle = tmp_path / "b"
    done = run("export", OLD / "run", OLD / "street", "--to", "plain", "-o", bundle)
    assert done.returncode == 0, done.stderr
    (graph,) = json.loads((bundle / "bundle.json").read_text())["graphs"]
    assert (graph["file"], graph["engine"]) == ("model.plain.onnx", "onnxruntime")
    assert graph["tolerance"]["logit_ratio"] == 0.5
    image = OLD / "street/images/scene0.png"
    done = run("predict", bundle, image, "-o", tmp_path / "out", "--engine", "onnxruntime")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out/coverage.csv").open() as file:
        assert [int(row["pixels"]) for row in csv.DictReader(file)] == [530, 192, 46]


def test_a_format_that_only_reads_is_detected_checked_and_converted(package_copy, tmp_path):
    add_part, run = package_copy
    add_part("data/formats/side_by_side.py", FORMAT)
    source = tmp_path / "source"
    source.mkdir()
    labels_HW = np.zeros((8, 8), np.uint8)
    labels_HW[:, 4:] = 1
    for key in "ba":
        noise_HWC = np.random.default_rng(ord(key)).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(noise_HWC).save(source / f"{key}_photo.png")
        Image.fromarray(labels_HW).save(source / f"{key}_label.png")
    done = run("check", source, "--json")
    assert json.loads(done.stdout)["splits"] == {"train": 1, "val": 1}, done.stderr
    done = run("convert", source, tmp_path / "out", "--to", "mask_folder", "--json")
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)
    assert (account["from"], account["images"]) == ("side_by_side", 2)
    done = run("convert", source, tmp_path / "back", "--to", "side_by_side")
    assert done.returncode == 1
    assert "the format 'side_by_side' can only be read" in done.stderr


@pytest.fixture
def model_and_data(painted_bundle, tmp_path):
    """A folder with `bundle` and `data`, whose test split has one image of four rows."""
    painted_bundle(tmp_path / "bundle")
    rows_HW = np.repeat(np.arange(4, dtype=np.uint8), 4).reshape(4, 4)
    for kind, pixels in (("images", np.repeat(rows_HW[..., None], 3, 2)), ("masks", rows_HW)):
        (tmp_path / "data" / kind / "test").mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "data" / kind / "test/a.png")
    names = "".join(f"  - name: {name}\n" for name in ("sky", "road", "tree", "car"))
    (tmp_path / "data/dataset.yaml").write_text(f"classes:\n{names}")
    return tmp_path


def predicted_map(run, home, *options):
    command = "predict", "bundle", "data/images", *options, "-o", "out", "--write", "classes"
    done = run(*command, "--overwrite", cwd=home)
    assert done.returncode == 0, done.stderr
    assert not (home / "out/overlay").exists()
    return np.asarray(Image.open(home / "out/classes/test/a.png")).tolist()


def test_an_engine_is_taken_by_its_priority_and_named_in_reports(package_copy, model_and_data):
    add_part, run = package_copy
    rows = [[index] * 4 for index in range(4)]
    assert predicted_map(run, model_and_data) == rows
    add_part("inference/engines/stripes.py", ENGINE)
    assert predicted_map(run, model_and_data) == [[0, 1, 2, 3]] * 4
    assert predicted_map(run, model_and_data, "--engine", "onnxruntime") == rows
    command = "evaluate", "bundle", "data", "--json"
    for options, engine, miou in (
        ((), "stripes", 1 / 7),
        (("--engine", "onnxruntime"), "onnxruntime", 1),
    ):
        done = run(*command, "--overwrite", *options, cwd=model_and_data)
        report = json.loads(done.stdout)
        assert report["provenance"]["model"]["engine"] == engine
        assert report["scores"]["miou"] == pytest.approx(miou)
    done = run("predict", "bundle", "data/images", "--engine", "strips", cwd=model_and_data)
    assert done.returncode == 1
    assert (
        "'strips'; did you mean 'stripes'? Known: litert, onnxruntime, openvino, stripes, "
        "torch, torch_export." in done.stderr
    )


def test_an_engine_is_offered_by_another_package_too(package_copy, model_and_data):
    _, run = package_copy
    package = model_and_data / "copy"
    (package / "elsewhere.py").write_text(ENGINE)
    metadata = package / "elsewhere-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1\n")
    group = "[maskwright.inference.engines]\nstripes = elsewhere\n"
    (metadata / "entry_points.txt").write_text(group)
    assert predicted_map(run, model_and_data) == [[0, 1, 2, 3]] * 4


def test_a_refiner_decides_where_it_is_named(package_copy, model_and_data):
    add_part, run = package_copy
    add_part("inference/refine/fill.py", REFINER)
    assert predicted_map(run, model_and_data, "--refine", "fill:index=2") == [[2] * 4] * 4
    written = (model_and_data / "out/classes/dataset.yaml").read_text()
    assert "refined by fill:index=2" in written
    done = run("evaluate", "bundle", "data", "--refine", "fill", "--json", cwd=model_and_data)
    report = json.loads(done.stdout)
    assert report["settings"]["refine"] == {"steps": [{"refiner": "fill", "index": 0}]}
    assert report["classes"][0]["recall"] == 1
    done = run("predict", "bundle", "data", "--refine", "fill:class=2", cwd=model_and_data)
    assert done.returncode == 1
    assert "'fill:class=2': class: no such key" in done.stderr
