"""import_onnx: ONNX files of others, in every layout, become Bundles that predict the same."""

from functools import partial

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskwright.core.bundle import open_bundle
from maskwright.core.errors import BundleError, ConfigError, DataError
from maskwright.core.results import WriteMode
from maskwright.core.trust import hash_file, remember
from maskwright.data.classmaps import read_spec
from maskwright.export.foreign.bundle import import_onnx
from maskwright.inference.predictor import open_model

from ..foreign_graphs import IMAGE, NAMES, SCALE, make_graph, write_files


@pytest.fixture
def write(tmp_path):
    """A function: write the files, and give the arguments of `import_onnx`."""
    return partial(write_files, tmp_path)


UINT8, HALF = TensorProto.UINT8, TensorProto.FLOAT16


@pytest.mark.parametrize(
    ("graph", "told", "found"),
    [
        ({}, SCALE, "logits of 3 classes, NCHW, full size"),
        ({"nhwc": True}, SCALE, "logits of 3 classes, NHWC, full size"),
        ({"out": "probabilities"}, SCALE, "probabilities of 3 classes, NCHW"),
        ({"out": "probabilities", "nhwc": True}, SCALE, "probabilities of 3 classes, NHWC"),
        ({"out": "labels3"}, SCALE, "labels of 3 classes, full size"),
        ({"out": "labels4", "opset": 11}, SCALE, "labels of 3 classes, NCHW"),
        ({"out": "labels_float"}, SCALE, "labels of 3 classes"),
        ({"bgr": True}, SCALE | {"order": "bgr"}, "logits of 3"),
        ({"dtype": UINT8, "nhwc": True, "out": "labels3"}, {}, "labels of 3 classes"),
        ({"dtype": UINT8, "bgr": True}, {"order": "bgr"}, "logits of 3"),
        ({"dtype": HALF}, SCALE, "logits of 3 classes, NCHW"),
        ({}, {"mean": [0, 0, 0], "std": [255, 255, 255], "range": 255}, "logits of 3"),
    ],
)
def test_every_layout_becomes_a_bundle_that_tells_the_class_by_the_red_channel(
    write, graph, told, found
):
    imported = import_onnx(**write(make_graph(**graph), told=told))
    assert found in imported.found[1]
    assert imported.bundle.files == ("model.onnx", "parity.npz")
    (entry,) = imported.bundle.graphs
    assert (entry.engine, entry.parity.num_images) == ("onnxruntime", 2)
    assert entry.parity.largest_logit_difference <= 1e-4 * entry.parity.largest_logit
    model = open_model(imported.bundle.root)
    assert model.predict(IMAGE).labels_HW.tolist() == [[0, 1], [2, 1]]
    batch = model.engine(np.zeros((2, 3, 5, 4), np.float32))
    assert batch.shape == (2, 3, 5, 4)


@pytest.mark.parametrize(("out", "kind"), [("second", "logits"), ("sigmoid", "probabilities")])
def test_one_channel_for_two_classes_is_that_of_the_second(write, out, kind):
    imported = import_onnx(**write(make_graph(out=out, num_classes=2), names=NAMES[:2]))
    assert f"{kind} of the second of 2 classes" in imported.found[1]
    prediction = open_model(imported.bundle.root).predict(IMAGE[:1])
    assert prediction.labels_HW.tolist() == [[0, 1]]
    expected = 1 / (1 + np.exp(-1))  # of the logit 2 x - 1 = 1
    np.testing.assert_allclose(prediction.confidence_HW, [[expected, expected]], rtol=1e-5)


def test_a_graph_of_fixed_size_sees_images_resized_or_in_tiles(write):
    model = make_graph(shape=[1, 3, 128, 160])
    resized = import_onnx(**write(model)).bundle
    engine = open_model(resized.root).engine
    assert (engine.max_batch, engine.size_HW) == (1, (128, 160))
    assert resized.card.input.network_size((70, 33)) == (128, 160)
    assert resized.files == ("model.onnx", "parity.npz")
    image = np.zeros((200, 300, 3), np.uint8)
    image[:, 150:, 0] = 2
    labels_HW = open_model(resized.root).predict(image).labels_HW
    assert labels_HW[::199, ::299].tolist() == [[0, 2], [0, 2]]
    arguments = write(model, told=SCALE | {"size": "tiles"})
    tiles = import_onnx(**arguments | {"out": arguments["out"].with_name("tiles")}).bundle
    labels_HW = open_model(tiles.root).predict(image).labels_HW
    np.testing.assert_array_equal(labels_HW, image[..., 0])


def test_logits_at_a_stride_lie_on_their_grid_and_odd_sizes_are_padded(write):
    imported = import_onnx(**write(make_graph(stride=4)))
    assert (imported.bundle.card.logits.stride, imported.bundle.card.logits.multiple) == (4, 4)
    assert "padded to multiples of 4" in imported.found[0]
    engine = open_model(imported.bundle.root).engine
    assert engine(np.zeros((1, 3, 61, 47), np.float32)).shape == (1, 3, 16, 12)


def test_of_several_outputs_one_of_scores_is_taken_or_the_one_that_is_named(write):
    model = make_graph(out="labels_float", extra=("v0",))
    imported = import_onnx(**write(model))
    (line,) = imported.found[1:]
    assert line.startswith("output  v0: logits of 3")
    assert "scores before labels, the smallest stride, the first; v2 fits too" in line
    told = SCALE | {"output": "missing"}
    with pytest.raises(ConfigError, match="no output 'missing'; the graph gives v2, v0"):
        import_onnx(**write(model, told=told), mode=WriteMode(overwrite=True))


def test_values_of_a_graph_that_are_named_as_ours_have_another_name(write):
    model = make_graph(names=("image", "logits"))
    bundle = import_onnx(**write(model)).bundle
    graph = onnx.load(bundle.file("model.onnx")).graph
    assert [graph.input[0].name, graph.output[0].name] == ["image", "logits"]
    assert open_model(bundle.root).predict(IMAGE).labels_HW.tolist() == [[0, 1], [2, 1]]


def test_images_are_resized_by_the_scale_that_is_told(write):
    bundle = import_onnx(**write(make_graph(), told=SCALE | {"scale": 1.5})).bundle
    assert bundle.card.input.network_size((20, 30)) == (30, 45)
    assert bundle.card.arch.name == "foreign"
    assert bundle.card.provenance["imported"]["producer"] == "hand"


@pytest.mark.parametrize(
    ("graph", "files", "error", "message"),
    [
        ({}, {"names": ("a", "b", "c", "d")}, BundleError, r"of 4 classes: v0 \(float32 1x3x2"),
        ({}, {"told": {}}, ConfigError, "mean and std are missing, for 3 channels"),
        ({}, {"told": {"mean": [0.5] * 3}}, ConfigError, "one of mean and std"),
        (
            {},
            {"told": {"means": [0.5]}},
            ConfigError,
            "'means'; did you mean 'mean'",
        ),
        ({"dtype": UINT8}, {}, ConfigError, "takes uint8, the stored values; leave them out"),
        (
            {},
            {"told": SCALE | {"scale": 5}},
            ConfigError,
            "scale 5; expected a factor above 0",
        ),
        (
            {},
            {"told": SCALE | {"scale": 2, "size": [64, 64]}},
            ConfigError,
            r"scale 2 and size \[64, 64\]; write one of them",
        ),
        (
            {"shape": [1, 3, 96, 64]},
            {"told": SCALE | {"scale": 2}},
            ConfigError,
            "takes 96 x 64 px, to which every image is resized; leave scale out",
        ),
        ({"shape": [2, 3, 64, 64]}, {}, BundleError, "batches of 2 images alone"),
        ({"shape": [1, 3, 64, "W"]}, {}, BundleError, "one of height and width fixed"),
        (
            {"shape": [1, 3, 3, 3]},
            {},
            ConfigError,
            "is 1x3x3x3; write layout: NCHW or NHWC",
        ),
        (
            {"shape": [1, 3, 100, 64]},
            {"told": SCALE | {"size": "tiles"}},
            ConfigError,
            "takes 100 x 64 px: tiles have sides of 128 px or more, in multiples of 32",
        ),
        (
            {"out": "labels3"},
            {"names": NAMES[:2]},
            BundleError,
            r"has labels \[2.0\], which are none of 0..1",
        ),
    ],
)
def test_what_is_missing_or_does_not_fit_is_named(write, graph, files, error, message):
    arguments = write(make_graph(**graph), **files)
    with pytest.raises(error, match=message):
        import_onnx(**arguments)
    assert not arguments["out"].exists()


def test_files_outside_the_folder_and_custom_operators_are_refused(write, tmp_path):
    model = make_graph()
    custom = helper.make_node("Warp", ["v0"], ["warped"], domain="acme")
    model.graph.node.append(custom)
    model.opset_import.append(helper.make_opsetid("acme", 1))
    with pytest.raises(BundleError, match=r"ONNX Runtime does not have: acme::Warp \(1\)"):
        import_onnx(**write(model))
    model = make_graph()
    arguments = write(model)
    tensor = model.graph.initializer[0]
    for location, message in (
        ("../w.bin", "outside of its folder"),
        ("w.bin", "not beside it"),
    ):
        tensor.ClearField("raw_data")
        del tensor.external_data[:]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        arguments["file"].write_bytes(model.SerializeToString())
        with pytest.raises(BundleError, match=f"from '{location}', .*{message}"):
            import_onnx(**arguments)
    arguments["file"].write_bytes(b"no graph")
    with pytest.raises(BundleError, match="not an ONNX graph"):
        import_onnx(**arguments)
    arguments["file"].unlink()
    with pytest.raises(ConfigError, match="no such file; give an ONNX file"):
        import_onnx(**arguments)


def test_external_data_in_the_folder_is_taken_into_the_bundle(write):
    arguments = write(make_graph())
    onnx.save(
        make_graph(),
        arguments["file"],
        save_as_external_data=True,
        location="w.bin",
        size_threshold=0,
    )
    remember("graph", hash_file(arguments["file"]))
    bundle = import_onnx(**arguments).bundle
    assert open_bundle(bundle.root).files == ("model.onnx", "parity.npz")
    assert open_model(bundle.root).predict(IMAGE).labels_HW.tolist() == [[0, 1], [2, 1]]


def test_the_classes_of_a_model_are_listed_without_gaps(tmp_path):
    spec = tmp_path / "classes.txt"
    spec.write_text("0 road\n2 car\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="indices 0, 2; the classes of a model are 0, 1, 2"):
        read_spec(spec)
    with pytest.raises(DataError, match="no such file"):
        read_spec(tmp_path / "none.txt")
