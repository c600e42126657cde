"""evaluate counts at source resolution; the report holds what the issue's reader asks for."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from maskwright.core import IGNORE, Confusion, Report
from maskwright.core.errors import DataError, OutputError
from maskwright.core.scores import ABSENT_RULE
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.inference.predictor import Predictor, open_model

from ..painted import painted

NAMES = ("sky", "road", "<b>tree</b>", "car & van")
"""car & van never occurs."""


@pytest.fixture
def model(painted_bundle, tmp_path):
    return open_model(painted_bundle(tmp_path / "model/bundle", names=NAMES).root)


def write_scenes(root, num_images=6, names=NAMES, size_HW=(31, 45)):
    """Images that hold the class index of truth, but for some pixels; returns the pairs."""
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(num_images):
        truth = rng.integers(0, 3, (4, 5)).astype(np.uint8).repeat(8, 0).repeat(9, 1)
        truth = truth[: size_HW[0], : size_HW[1]]
        said = truth.copy()
        said[rng.random(size_HW) < 0.06 * number] = 1
        truth[:, :2] = IGNORE
        split = "test" if number else "train"
        for kind, pixels in (("images", np.repeat(said[..., None], 3, 2)), ("masks", truth)):
            path = root / kind / split / f"scene{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
        pairs.append((truth, said))
    listed = "\n".join(f"  - {{name: {json.dumps(name)}}}" for name in names)
    (root / "dataset.yaml").write_text(f"classes:\n{listed}\n")
    return pairs


@pytest.fixture
def scenes(tmp_path):
    pairs = write_scenes(tmp_path / "scenes")
    return open_dataset(tmp_path / "scenes"), pairs


def test_counts_are_those_of_all_pixels_of_the_split(model, scenes):
    dataset, pairs = scenes
    expected = sum(
        (Confusion.from_labels(truth, said, 4) for truth, said in pairs[1:]),
        start=Confusion.zero(4),
    )
    report = evaluate(model, dataset.subset("test"))
    np.testing.assert_array_equal(report.confusion.counts_CC, expected.counts_CC)
    assert report.confusion.num_pixels == 5 * 31 * 43


def test_half_scale_counts_at_source_resolution_too(painted_bundle, scenes, tmp_path):
    bundle = painted_bundle(tmp_path / "half", names=NAMES, scale_ratio=0.5)
    report = evaluate(open_model(bundle.root), scenes[0])
    assert report.confusion.num_pixels == 6 * 31 * 43


def test_two_evaluations_are_equal_to_the_last_byte(model, scenes, tmp_path):
    for name in ("one", "two"):
        write_report(evaluate(model, scenes[0]), tmp_path / name)
    for name in ("report.json", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_worst_and_best_are_listed_with_pictures(model, scenes):
    report = evaluate(model, scenes[0])
    listed = [(image.rank, image.key) for image in report.images]
    assert listed[0] == ("worst", "scene5")
    assert listed[4] == ("best", "scene0")
    assert len(listed) == 6
    assert set(report.pictures) == {key for _, key in listed}


def test_report_json_holds_scores_classes_confusion_and_provenance(model, scenes, tmp_path):
    dataset = scenes[0].subset("test")
    write_report(evaluate(model, dataset), tmp_path / "report")
    document = json.loads((tmp_path / "report/report.json").read_text())
    assert 0.5 < document["scores"]["miou"] < 1
    assert [c["name"] for c in document["classes"]] == list(NAMES)
    assert document["absent_classes"] == ["car & van"]
    provenance = document["provenance"]
    assert provenance["model"]["id"] == model.model_id
    assert provenance["model"]["engine"] == "onnxruntime"
    assert provenance["data"]["fingerprint"] == dataset.fingerprint
    assert provenance["data"]["splits"] == {"test": 5}
    assert provenance["seed"] == 7
    assert {"python", "maskwright", "onnxruntime"} <= set(provenance["versions"])
    assert Report.from_json(document, where="report.json").miou == document["scores"]["miou"]


def test_report_html_needs_nothing_else_and_escapes_names(model, scenes, tmp_path):
    write_report(evaluate(model, scenes[0]), tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?:|<script|@import|url\(", page)
    sources = re.findall(r'src="(.{10})', page)
    assert set(re.findall(r'href="(.)', page)) == {"#"}
    assert len(sources) == 6 * 4 + 3  # of images, and of errors in the frame
    assert set(sources) == {"data:image"}
    assert "<b>tree" not in page
    assert "&lt;b&gt;tree&lt;/b&gt;" in page
    assert ABSENT_RULE in page
    assert "Neither in truth nor predicted: car &amp; van." in page
    assert "<svg" in page
    for text in ("mIoU", "Frequency-weighted IoU", "Pixel accuracy", "Worst images", "seed"):
        assert text in page


def test_images_without_truth_are_refused(model, scenes, tmp_path):
    for mask in (tmp_path / "scenes/masks/test").iterdir():
        mask.unlink()
    dataset = open_dataset(tmp_path / "scenes").subset("test")
    with pytest.raises(DataError, match=r"scene1\.png: 5 of 5 images have no mask"):
        evaluate(model, dataset)


def test_other_classes_are_refused_naming_the_first(painted_bundle, scenes, tmp_path):
    for names, reason in (
        (NAMES[:3], "4 classes, the model has 3;"),
        (("sky", "Road", *NAMES[2:]), "class 1 is 'Road' for the model and 'road' in the data"),
    ):
        model = open_model(painted_bundle(tmp_path / "other", names=names).root)
        with pytest.raises(DataError, match=reason):
            evaluate(model, scenes[0])


def test_other_colours_are_the_same_task(engine_from, scenes):
    dataset, _ = scenes
    assert evaluate_with_grey_palette(dataset, engine_from).miou == 1.0


def evaluate_with_grey_palette(dataset, engine_from):
    from maskwright.core import ClassDef, InputSpec, LabelSpec
    from maskwright.core.card import ArchSpec, ModelCard

    labels = LabelSpec(tuple(ClassDef(name=n, color=(9, 9, 9)) for n in NAMES))
    spec = InputSpec(channels=3, mean=(0.0,) * 3, std=(1.0,) * 3)
    card = ModelCard(labels=labels, input=spec, arch=ArchSpec(name="painted", encoder="none"))

    def engine(x_BCHW):
        index_K = np.arange(4, dtype=np.float32)[None, :, None, None]
        return -np.abs(x_BCHW[:, :1] * 255 - index_K)

    return evaluate(Predictor(engine_from(engine), card, "painted"), dataset.subset("train"))


def test_a_report_without_a_place_to_write_leaves_nothing(model, scenes, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="there is a file where a folder is needed"):
        write_report(evaluate(model, scenes[0]), tmp_path / "file")


def test_a_report_of_old_has_no_pictures_and_still_renders(model, scenes, tmp_path):
    document = evaluate(model, scenes[0]).to_json()
    del document["frame_errors"]
    write_report(Report.from_json(document, where="old"), tmp_path / "again")
    assert "data:image" not in (tmp_path / "again/report.html").read_text(encoding="utf-8")


def test_memory_does_not_grow_with_the_number_of_images(painted_bundle, tmp_path):
    bundle = painted_bundle(tmp_path / "model/bundle", names=NAMES)
    write_scenes(tmp_path / "scenes", num_images=40, size_HW=(32, 45))
    script = (
        "import resource, sys\n"
        "from maskwright.data.dataset import open_dataset\n"
        "from maskwright.evaluation.evaluate import evaluate\n"
        "from maskwright.inference.predictor import open_model\n"
        "model, data = open_model(sys.argv[1]), open_dataset(sys.argv[2])\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "evaluate(model, data)\n"
        "before = peak()\n"
        "for _ in range(5): evaluate(model, data)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(bundle.root), str(tmp_path / "scenes")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 4096  # KiB


def test_a_dataset_without_files_is_scored_too(model, tmp_path):
    truth = np.array([[0, 1, 2, IGNORE], [0, 1, 2, 2]], np.uint8)
    said = np.where(truth == IGNORE, 0, truth)
    dataset = painted({"test/one": truth, "test/two": said}, names=NAMES)
    report = evaluate(model, dataset)
    assert report.confusion.counts_CC.diagonal().tolist() == [5, 4, 6, 0]
    assert report.confusion.num_pixels == 15
    assert report.provenance.data.name == "painted"
    assert report.provenance.data.splits == {"test": 2}


def test_an_image_without_labels_is_named_as_its_dataset_describes_it(model):
    dataset = painted({"test/bare": None}, names=NAMES)
    with pytest.raises(DataError, match=r"^painted: bare: 1 of 1 images have no mask"):
        evaluate(model, dataset)
