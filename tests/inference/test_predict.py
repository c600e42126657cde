"""predict: what is written, what is listed as failed, and how a run is resumed."""

import csv
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.core import threads
from maskwright.core.errors import ConfigError, OutputError, UnknownNameError
from maskwright.core.imagestats import ImageStatistics
from maskwright.core.results import WriteMode, read_manifest
from maskwright.data.classmaps import open_class_maps
from maskwright.data.dataset import open_dataset
from maskwright.data.formats.cvat import part as cvat
from maskwright.data.pixels import images
from maskwright.inference.engine import Engine
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.tiling import Tiling

NAMES = ("sky", "road", "tree", "car")


@pytest.fixture
def model(painted_bundle, tmp_path):
    return open_model(painted_bundle(tmp_path / "model/bundle").root)


@pytest.fixture
def photos(tmp_path):
    """Two images of different sizes; the one called turned is stored on its side."""
    folder = tmp_path / "photos"
    (folder / "street").mkdir(parents=True)
    index = np.repeat(np.arange(4, dtype=np.uint8), 3).reshape(4, 3)
    for name, orientation in (("plain", 1), ("street/turned", 6)):
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(np.repeat(index[..., None], 3, 2)).save(
            folder / f"{name}.png", exif=exif
        )
    return folder


def read(path):
    with Image.open(path) as image:
        return np.array(image)


def test_predict_classifies_each_image_file_once(model, photos, tmp_path, monkeypatch):
    files, find_reader = [], images.find_reader
    monkeypatch.setattr(images, "find_reader", lambda f: files.append(f) or find_reader(f))
    predict(model, [photos], tmp_path / "out")
    assert sorted(files) == [photos / "plain.png", photos / "street/turned.png"]


def test_maps_have_the_size_and_orientation_that_a_viewer_shows(model, photos, tmp_path):
    out = tmp_path / "out"
    predict(model, [photos], out)
    assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == {
        "coverage.csv",
        "legend.png",
        "results.json",
        "classes/dataset.yaml",
        *(
            f"{kind}/{key}.png"
            for kind in ("classes", "overlay", "confidence")
            for key in ("plain", "street/turned")
        ),
    }
    assert open_class_maps(out / "classes").spec.names == model.card.labels.names
    plain, turned = read(out / "classes/plain.png"), read(out / "classes/street/turned.png")
    assert plain[:, 0].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))
    assert read(out / "overlay/street/turned.png").shape == (3, 4, 3)
    assert read(out / "confidence/street/turned.png").shape == (3, 4)
    with Image.open(out / "classes/street/turned.png") as image:
        assert (image.mode, dict(image.getexif())) == ("P", {})


def test_coverage_has_a_line_for_every_class_of_every_image(model, photos, tmp_path):
    summary = predict(model, [photos], tmp_path / "out")
    with (tmp_path / "out/coverage.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["image"], r["class"]) for r in rows] == [
        (key, name) for key in ("plain", "street/turned") for name in NAMES
    ]
    assert {(r["pixels"], r["percent"]) for r in rows} == {("3", "25.0000")}
    assert summary.to_json() == {
        "num_images": 2,
        "classes": [{"name": n, "pixels": 6, "percent": 25.0} for n in NAMES],
        "failed": [],
        "passed_over": [],
        "remarks": [],
    }


def test_only_what_is_asked_for_is_written(model, photos, tmp_path):
    everything = tmp_path / "all"
    predict(model, [photos], everything)
    for name, files, legend in (
        ("coverage", {"coverage.csv"}, set()),
        ("overlay", {"overlay/plain.png", "overlay/street/turned.png"}, {"legend.png"}),
    ):
        out = tmp_path / name
        assert predict(model, [photos], out, write=(name,)).pixels_C.tolist() == [6] * 4
        assert {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} == {
            "results.json",
            *files,
            *legend,
        }
        for file in files:
            assert (out / file).read_bytes() == (everything / file).read_bytes()


def test_unknown_outputs_are_refused_before_the_work(model, photos, tmp_path):
    with pytest.raises(UnknownNameError, match="'clases'; did you mean 'classes'"):
        predict(model, [photos], tmp_path / "out", write=("clases",))
    with pytest.raises(
        ConfigError, match="no kind of file to write is given; choose from classes, ov"
    ):
        predict(model, [photos], tmp_path / "out", write=())
    assert not (tmp_path / "out").exists()


def test_confidence_is_stored_in_255_steps(model, photos, tmp_path):
    predict(model, [photos / "plain.png"], tmp_path / "out")
    with Image.open(photos / "plain.png") as image:
        confidence_HW = model.predict(np.array(image), where="plain").confidence_HW
    expected = np.rint(confidence_HW * 255)
    np.testing.assert_array_equal(read(tmp_path / "out/confidence/plain.png"), expected)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_second_run_is_refused_and_overwrite_gives_the_same_bytes(model, photos, tmp_path):
    out = tmp_path / "out"
    predict(model, [photos], out)
    before = contents(out)
    with pytest.raises(OutputError, match="exists already; add --overwrite"):
        predict(model, [photos], out)
    assert contents(out) == before
    predict(model, [photos], out, mode=WriteMode(overwrite=True))
    assert contents(out) == before


def test_bad_images_are_listed_and_the_others_are_predicted(model, photos, tmp_path):
    whole = (photos / "plain.png").read_bytes()
    (photos / "z.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(photos / "grey.png")
    summary = predict(model, [photos], tmp_path / "out")
    assert summary.num_images == 2
    assert "image holds uint16, the model takes uint8" in summary.failed[0].error
    assert "z.png: the image is cut short or damaged" in summary.failed[1].error
    manifest = read_manifest(tmp_path / "out")
    assert manifest.num_read == 2
    assert manifest.failed == tuple(summary.failed)
    assert manifest.files == {
        "classes": 3,
        "confidence": 2,
        "coverage.csv": 1,
        "legend.png": 1,
        "overlay": 2,
    }


def stop_after(num):
    def progress(items, *, total, what):
        for index, item in enumerate(items):
            if index == num:
                raise KeyboardInterrupt
            yield item

    return progress


def test_an_interrupted_run_resumes_and_equals_one_in_one_go(model, photos, tmp_path):
    out, whole, seen = tmp_path / "out", tmp_path / "whole", []
    with pytest.raises(KeyboardInterrupt):
        predict(model, [photos], out, progress=stop_after(1))
    assert not out.exists()

    def watch(items, *, total, what):
        for item in items:
            seen.append(item[0])
            yield item

    predict(model, [photos], out, mode=WriteMode(resume=True), progress=watch)
    assert seen == ["street/turned"]
    predict(model, [photos], whole)
    assert contents(out) == contents(whole)


def test_resume_predicts_a_changed_image_again(model, photos, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        predict(model, [photos], out, progress=stop_after(1))
    Image.fromarray(np.full((4, 3, 3), 2, np.uint8)).save(photos / "plain.png")
    summary = predict(model, [photos], out, mode=WriteMode(resume=True))
    predict(model, [photos], whole)
    assert summary.pixels_C.tolist() == [3, 3, 15, 3]
    assert (
        contents(out)[Path("classes/plain.png")] == contents(whole)[Path("classes/plain.png")]
    )


def test_resume_with_other_options_or_inputs_is_refused(model, photos, tmp_path):
    out, resume = tmp_path / "out", WriteMode(resume=True)
    with pytest.raises(KeyboardInterrupt):
        predict(model, [photos], out, progress=stop_after(1))
    with pytest.raises(OutputError, match="begun with other options"):
        predict(model, [photos], out, write=("classes",), mode=resume)
    with pytest.raises(OutputError, match="has results of 'plain', which is not an input"):
        predict(model, [photos / "street"], out, mode=resume)


def test_outputs_inside_the_inputs_are_not_predicted_again(model, photos):
    first = predict(model, [photos], photos / "predictions")
    second = predict(model, [photos], photos / "again")
    assert second.pixels_C.tolist() == first.pixels_C.tolist()
    assert second.passed_over == [photos / "predictions"]


def test_grey_images_and_pixels_without_data_are_remarked(model, photos, tmp_path):
    index_HW = np.array([[0, 1], [2, 3]], np.uint8)
    Image.fromarray(index_HW).save(photos / "grey.png")
    Image.fromarray(np.dstack([index_HW] * 3 + [index_HW * 50])).save(photos / "icon.png")
    summary = predict(model, [photos], tmp_path / "out")
    np.testing.assert_array_equal(read(tmp_path / "out/classes/grey.png"), index_HW)
    assert read(tmp_path / "out/classes/icon.png").tolist() == [[255, 1], [2, 3]]
    assert read(tmp_path / "out/confidence/icon.png")[0, 0] == 0
    icon = [
        row for row in (tmp_path / "out/coverage.csv").read_text().splitlines() if "icon" in row
    ]
    assert sum(int(row.split(",")[2]) for row in icon) == 3
    assert summary.failed == []
    assert summary.remarks == [
        "1 image has pixels without data, which are not predicted (255 in class maps) (icon)",
        "1 image is grey; the grey stands for red, green and blue (grey)",
    ]
    assert read_manifest(tmp_path / "out").remarks == tuple(summary.remarks)


def test_images_unlike_those_that_the_model_learnt_from_are_remarked(model, photos, tmp_path):
    learnt = ImageStatistics(
        mean=(0.1, 0.0, 0.0), std=(0.1,) * 3, spread=(0.01,) * 3, size_HW=(4, 3)
    )
    familiar = replace(model, card=replace(model.card, learnt=learnt))
    Image.fromarray(np.zeros((9, 12, 3), np.uint8)).save(photos / "large.png")
    Image.fromarray(np.full((4, 3, 3), 80, np.uint8)).save(photos / "bright.png")
    scale, color = predict(familiar, [photos], tmp_path / "out").remarks
    assert scale.startswith("1 image is of another scale than the images that the model learnt")
    assert "about 4 x 3 px" in scale
    assert scale.endswith("(large)")
    assert color.startswith("1 image is far in brightness or colour")
    assert color.endswith("(bright)")


def test_a_heic_photograph_without_its_package_is_listed_with_the_pip_command(
    model, photos, tmp_path, monkeypatch
):
    pillow_heif = pytest.importorskip("pillow_heif")
    with Image.open(photos / "plain.png") as image:
        pillow_heif.from_pillow(image.convert("RGB")).save(photos / "phone.HEIC", quality=-1)
    assert predict(model, [photos], tmp_path / "out").num_images == 3
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    summary = predict(model, [photos], tmp_path / "without")
    assert summary.num_images == 2
    assert summary.failed[0].error == (
        f"{photos / 'phone.HEIC'}: pillow-heif is not installed; run: pip install "
        f"'maskwright[heic]'"
    )


def test_file_in_the_way_of_the_output_is_refused(model, photos, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="there is a file where a folder is needed"):
        predict(model, [photos], tmp_path / "out")


def test_results_are_noted_in_order_whichever_image_is_ready_first(
    model, photos, tmp_path, monkeypatch
):
    """Images run in a thread per core; the first one is made to take the longest."""
    monkeypatch.setattr(threads, "count_cores", lambda: 4)
    for index in range(12):
        side = 300 if index == 0 else 3
        Image.fromarray(np.zeros((side, side, 3), np.uint8)).save(photos / f"{index:02}.png")
    seen, noted = [], []

    def watch(items, *, total, what):
        for item in items:
            seen.append((item[0], total, what))
            yield item
            noted.append((tmp_path / "out.partial/.journal.jsonl").read_text().count("\n") - 1)

    predict(model, [photos], tmp_path / "out", progress=watch)
    keys = [*(f"{index:02}" for index in range(12)), "plain", "street/turned"]
    assert seen == [(key, 14, "predicting") for key in keys]
    assert noted == list(range(1, 15))
    monkeypatch.setattr(threads, "count_cores", lambda: 1)
    predict(model, [photos], tmp_path / "alone")
    assert contents(tmp_path / "out") == contents(tmp_path / "alone")


def test_large_images_run_alone(model, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "count_cores", lambda: 4)
    for index in range(8):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(photos / f"large{index}.png")
    running, most = [], []
    engine = model.engine

    class Watched(Engine):
        name = engine.name

        def __call__(self, image_BCHW):
            running.append(image_BCHW.shape[2])
            most.append(list(running))
            time.sleep(0.01)
            logits = engine(image_BCHW)
            running.remove(image_BCHW.shape[2])
            return logits

    tiling = Tiling(max_memory=64 * 256)  # 64 px at 256 bytes
    predict(replace(model, engine=Watched(), tiling=tiling), [photos], tmp_path / "out")
    assert len(most) == 10
    assert all(sides == [8] for sides in most if 8 in sides)


def read_labels(folder):
    dataset = open_dataset(folder)
    return {key: dataset.labels(index).tolist() for index, key in enumerate(dataset.keys)}


@pytest.mark.parametrize("to", ["cvat", "labelme", "coco", "label_studio", "mask_folder"])
def test_annotations_of_a_tool_hold_the_predicted_class_maps(model, photos, tmp_path, to):
    out = tmp_path / "out"
    summary = predict(model, [photos], out, write=("classes", to))
    account = json.loads((out / to / "conversion.json").read_text())
    assert summary.to_json()["annotations"] == {to: account}
    assert (account["images"], account["to"]) == (2, to)
    assert account["target"] == str(out / to)
    expected = [read(out / "classes/plain.png"), read(out / "classes/street/turned.png")]
    assert list(read_labels(out / to).values()) == [labels.tolist() for labels in expected]


def test_without_classes_the_maps_behind_annotations_are_not_kept(model, photos, tmp_path):
    predict(model, [photos], tmp_path / "out", write=("labelme",))
    left = {path.name for path in (tmp_path / "out").iterdir()}
    assert left == {"labelme", "results.json"}


def test_an_image_that_cannot_be_read_has_no_annotation(model, photos, tmp_path):
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    summary = predict(model, [photos], tmp_path / "out", write=("cvat",))
    assert [Path(one.input).name for one in summary.failed] == ["broken.png"]
    assert summary.accounts["cvat"].num_images == 2


def test_annotations_are_complete_after_resuming(model, photos, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def stop(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cvat, "copy_image", stop)
        with pytest.raises(KeyboardInterrupt):
            predict(model, [photos], out, write=("cvat",))
    assert not out.exists()
    predict(model, [photos], out, write=("cvat",), mode=WriteMode(resume=True))
    assert len(read_labels(out / "cvat")) == 2


def test_an_unknown_kind_of_file_names_the_formats_too(model, photos, tmp_path):
    with pytest.raises(UnknownNameError, match=r"'cvta'.*cvat"):
        predict(model, [photos], tmp_path / "out", write=("cvta",))
