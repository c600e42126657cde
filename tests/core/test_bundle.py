"""A Bundle opens as it was written, or not at all."""

import json

import pytest

from maskwright.core.bundle import open_bundle, write_bundle
from maskwright.core.errors import BundleError, OutputError
from maskwright.core.graph import Graph, Parity, Tolerance

FILES = ("bundle.json", "model.onnx", "weights.safetensors")


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    return painted_bundle(tmp_path / "bundle")


def test_opens_as_it_was_written(bundle, painted_card):
    again = open_bundle(bundle.root)
    assert again == bundle
    assert again.card == painted_card()
    assert len(again.model_id) == 16


def test_same_content_has_the_same_id_and_other_content_another(
    painted_bundle, bundle, tmp_path
):
    assert painted_bundle(tmp_path / "twin").model_id == bundle.model_id
    assert painted_bundle(tmp_path / "other", names=("a", "b")).model_id != bundle.model_id


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_flipped_byte_anywhere_is_refused_naming_the_file(bundle, name, place):
    path = bundle.root / name
    content = bytearray(path.read_bytes())
    offset = {"first": 0, "middle": len(content) // 2, "last": len(content) - 1}[place]
    content[offset] ^= 1
    path.write_bytes(content)
    if name == "bundle.json" and place == "last":
        assert content[offset] == 0x0B  # JSON ends with "\n"; a vertical tab is no white space
    with pytest.raises(BundleError, match="copy the bundle again or export it again") as caught:
        open_bundle(bundle.root)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(bundle):
    (bundle.root / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: listed in bundle\.json but missing"):
        open_bundle(bundle.root)


def test_other_schema_is_refused_with_both_versions(bundle):
    path = bundle.root / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 9}))
    with pytest.raises(BundleError, match="bundle of version 9, this maskwright reads up to 2"):
        open_bundle(bundle.root)


def test_folder_without_manifest_is_not_a_bundle(tmp_path):
    with pytest.raises(BundleError, match=r"no bundle\.json here, so this is not a bundle"):
        open_bundle(tmp_path)


def test_link_out_of_the_bundle_is_refused(bundle, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (bundle.root / "model.onnx").rename(elsewhere)
    (bundle.root / "model.onnx").symlink_to(elsewhere)
    with pytest.raises(BundleError, match="leads outside the bundle"):
        open_bundle(bundle.root)


def test_file_that_is_not_there_is_answered_with_those_that_are(bundle):
    with pytest.raises(BundleError, match=r"has no report\.json; it holds model\.onnx"):
        bundle.file("report.json")


def test_replaces_a_bundle_but_nothing_else(painted_bundle, bundle, tmp_path):
    other = painted_bundle(bundle.root, names=("a", "b"))
    assert open_bundle(bundle.root).model_id == other.model_id
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    with pytest.raises(OutputError, match="holds files that export did not write"):
        painted_bundle(tmp_path / "photos")
    assert (tmp_path / "photos/a.jpg").exists()


def test_failed_writing_leaves_nothing(painted_card, tmp_path):
    with pytest.raises(FileNotFoundError):
        write_bundle(
            tmp_path / "b", painted_card(), {"model.onnx": tmp_path / "none"}, graphs=[]
        )
    assert list(tmp_path.iterdir()) == []


def test_several_graphs_are_listed_in_their_order(painted_bundle, painted_card, tmp_path):
    one = painted_bundle(tmp_path / "one")
    files = {name: one.file("model.onnx") for name in ("model.onnx", "model.int8.onnx")}
    parity = Parity(
        num_images=2,
        num_pixels=6,
        largest_logit=3.0,
        largest_logit_difference=0.5,
        equal_pixel_share=0.75,
    )
    graphs = (
        Graph(
            file="model.int8.onnx",
            engine="onnxruntime",
            precision="int8",
            tolerance=Tolerance(logit_ratio=0.2, equal_pixel_share=0.5),
            parity=parity,
        ),
        Graph(file="model.onnx", engine="onnxruntime", outputs=("logits", "features")),
    )
    written = write_bundle(tmp_path / "two", painted_card(), files, graphs=graphs)
    assert written.graphs == graphs
    assert open_bundle(written.root) == written


def test_a_graph_without_its_file_and_one_of_other_outputs_are_refused(painted_card, tmp_path):
    graph = Graph(file="model.onnx", engine="onnxruntime")
    with pytest.raises(BundleError, match=r"the bundle has no model\.onnx"):
        write_bundle(tmp_path / "b", painted_card(), {}, graphs=[graph])
    with pytest.raises(BundleError, match="outputs boxes; expected logits, logits and feat"):
        Graph(file="model.onnx", engine="onnxruntime", outputs=("boxes",))
