"""int8: calibration images show all classes, and a graph is written if it keeps the score."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.core.errors import BundleError, ConfigError, DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.synth.streets import write_street_scenes
from maskwright.export.bundle import export_model
from maskwright.export.quantize.calibration import choose_calibration, cover
from maskwright.export.quantize.search import _grow
from maskwright.inference.predictor import open_model


@given(arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 6))), st.integers(1, 3))
def test_each_class_is_covered_as_often_as_it_can_be(present_NC, each):
    rows = cover(present_NC, each=each)
    assert len(set(rows)) == len(rows)
    covered_C = present_NC[list(rows)].sum(axis=0)
    assert (covered_C >= np.minimum(present_NC.sum(axis=0), each)).all()


def test_the_image_with_most_new_classes_is_taken_first():
    present_NC = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], bool)
    assert cover(present_NC, each=1) == [1, 2]


def test_layers_go_to_float_by_sensitivity_up_to_half():
    layers = dict.fromkeys("abcdefgh", 0.0)
    assert [len(kept) for kept in _grow(layers)] == [1, 2, 4]
    assert _grow(layers)[1] == ("a", "b")
    assert _grow({"a": 1.0}) == []


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "data"
    return write_street_scenes(folder, num_images=6, size_HW=(48, 64), seed=1)


def test_calibration_images_come_from_the_data_and_absent_classes_are_told(scenes):
    dataset = open_dataset(scenes)
    chosen = choose_calibration(dataset, lambda items, **_: items)
    assert chosen.indices == tuple(range(len(dataset)))
    shown = {index for i in chosen.indices for index in np.unique(dataset.labels(i))}
    names = dataset.spec.names
    assert chosen.missing == tuple(n for i, n in enumerate(names) if i not in shown)


OLD = "tests/fixtures/written_by_0_1"


@pytest.fixture(scope="module")
def old(request):
    return request.config.rootpath / OLD


@pytest.mark.slow
def test_a_graph_of_int8_keeps_the_score_and_tells_its_path(old, tmp_path):
    lines = []
    bundle = export_model(
        old / "run",
        tmp_path / "b",
        data=old / "street",
        precision="int8",
        max_drop_points=5,
        log=lines.append,
    )
    (graph,) = bundle.graphs
    assert (graph.file, graph.precision) == ("model.int8.onnx", "int8")
    assert graph.quality.drop_points <= 5
    assert lines[0] == "calibrating on 4 images, which show all classes"
    assert lines[1].startswith("int8 minmax: mIoU 88.48 -> ")
    document = json.loads(bundle.file("model.int8.json").read_text())
    assert document["calibration_images"] == ["scene0", "scene1", "scene5", "scene6"]
    assert len(document["sensitivity"]) == 3
    assert "<svg" in bundle.file("model.int8.svg").read_text()
    assert open_model(bundle.root).engine.precision == "int8"
    with pytest.raises(BundleError, match=r"no graph of int8 loses at most -100 .*--max-drop"):
        export_model(
            old / "run",
            tmp_path / "c",
            data=old / "street",
            precision="int8",
            max_drop_points=-100,
        )
    assert not (tmp_path / "c").exists()


def test_int8_without_images_or_with_other_classes_is_refused(
    untrained_bundle, scenes, tmp_path
):
    with pytest.raises(ConfigError, match="'int8' needs DATA with labels: images to calibrate"):
        export_model(untrained_bundle.root, tmp_path / "b", precision="int8")
    with pytest.raises(DataError, match=r"has the classes .*, the model sky, road, tree, car"):
        export_model(untrained_bundle.root, tmp_path / "b", data=scenes, precision="int8")
    assert not (tmp_path / "b").exists()
