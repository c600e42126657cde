"""export_bundle: a Bundle that agrees with its checkpoint, or no Bundle."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.initial import COMMIT, README, make_hub, write_unet

from maskwright.core.bundle import WEIGHTS, open_bundle
from maskwright.core.card import ArchSpec
from maskwright.core.checkpoint import Checkpoint, write_card
from maskwright.core.errors import (
    BundleError,
    ConfigError,
    DataError,
    OutputError,
    UnknownNameError,
)
from maskwright.core.labels import LabelSpec
from maskwright.core.logits import FULL_SIZE, LogitsGrid
from maskwright.data.dataset import open_dataset
from maskwright.data.synth.streets import write_street_scenes
from maskwright.export.bundle import export_bundle, export_model
from maskwright.export.traced import has_graph
from maskwright.inference.parity import verify
from maskwright.inference.predictor import open_model
from maskwright.nn.build import build_model


@pytest.fixture
def checkpoint(untrained_checkpoint, tmp_path):
    return shutil.copytree(untrained_checkpoint, tmp_path / "best")


def test_a_bundle_holds_card_weights_graph_and_proof(untrained_bundle, untrained_checkpoint):
    bundle = open_bundle(untrained_bundle.root)
    assert bundle.card == Checkpoint.open(untrained_checkpoint).card
    assert bundle.files == ("weights.safetensors", "model.onnx", "parity.npz")
    (graph,) = bundle.graphs
    assert (graph.file, graph.engine, graph.precision) == ("model.onnx", "onnxruntime", "fp32")
    assert graph.outputs == ("logits", "features")
    assert graph.parity.num_images == 2
    assert graph.parity.largest_logit_difference < 1e-4
    assert graph.parity.equal_pixel_share > 0.999
    assert list(bundle.root.parent.iterdir()) == [bundle.root]


def test_a_graph_gives_logits_at_the_stride_of_the_card_and_the_labels_of_full_size(
    checkpoint, photographs, tmp_path
):
    """Cards before 0.2 say nothing of a stride: their graphs give logits of full size."""
    arch = ArchSpec(name="pspnet", encoder="test_resnet", revision=2)
    card = replace(Checkpoint.open(checkpoint).card, arch=arch)
    network = build_model(card)
    assert (network.grid, network.head_grid) == (FULL_SIZE, LogitsGrid(8, 32))
    save_file({k: v.numpy() for k, v in network.state_dict().items()}, checkpoint / WEIGHTS)
    write_card(checkpoint, card)
    full = open_model(checkpoint)
    write_card(checkpoint, replace(card, logits=network.head_grid))
    bundle = export_bundle(checkpoint, photographs, tmp_path / "at_stride")
    with np.load(bundle.parity_inputs) as arrays:
        assert arrays["logits_1"].shape == (4, 64 // 8, 64 // 8)
    for image in photographs:
        expected = full.predict(image)
        for path in (bundle.root, checkpoint):
            model = open_model(path)
            assert model.logits(image).values_Khw.shape[1] < image.shape[0] / 4
            found = model.predict(image)
            assert (found.labels_HW == expected.labels_HW).mean() > 0.999
            np.testing.assert_allclose(found.confidence_HW, expected.confidence_HW, atol=1e-4)
            np.testing.assert_array_equal(found.labels_HW, model.label(image))


def test_a_published_model_becomes_a_bundle_when_its_licence_is_accepted(tmp_path, monkeypatch):
    folder, lines = make_hub(tmp_path / "hub", monkeypatch), []
    write_unet(folder, 3)
    (folder / "README.md").write_text(README, encoding="utf-8")
    data = write_street_scenes(tmp_path / "data", num_images=6, size_HW=(64, 64), seed=1)
    with pytest.raises(ConfigError, match=r"licence: acme-research.*--accept-licence"):
        export_model("hub:acme/unet", tmp_path / "b", data=data)
    with pytest.raises(ConfigError, match=r"keeps no parity images; give DATA"):
        export_model("hub:acme/unet", tmp_path / "b", accept_licence=True)
    bundle = export_model(
        "hub:acme/unet", tmp_path / "b", data=data, accept_licence=True, log=lines.append
    )
    assert "licence: acme-research" in lines[0]
    assert bundle.card.provenance["published"]["revision"] == COMMIT
    assert bundle.files == ("weights.safetensors", "model.onnx", "parity.npz")
    image = open_dataset(data).image(0)
    assert open_model(bundle.root).predict(image).labels_HW.shape == (64, 64)


def test_kept_parity_images_are_crops_of_the_images_and_their_logits(untrained_bundle):
    with np.load(untrained_bundle.parity_inputs) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files}
    assert shapes == {
        "image_0": (3, 64, 64),
        "logits_0": (4, 64, 64),
        "image_1": (3, 50, 39),
        "logits_1": (4, 50, 39),
    }


def test_a_later_machine_tests_its_engine_on_the_kept_images(untrained_bundle):
    engine = open_model(untrained_bundle.root).engine
    parity = verify(untrained_bundle, engine)
    assert (parity.num_images, parity.num_pixels) == (2, 64 * 64 + 50 * 39)
    assert parity.largest_logit_difference < 1e-4
    (graph,) = untrained_bundle.graphs
    parity.require_agreement(graph.tolerance, graph="it", fix="export it again")
    other = verify(untrained_bundle, lambda x_BCHW: -engine(x_BCHW))
    with pytest.raises(BundleError, match="it disagrees with the network on 2 images"):
        other.require_agreement(graph.tolerance, graph="it", fix="export it again")


@pytest.mark.slow
def test_a_bundle_is_exported_again_on_its_kept_images_alone(untrained_bundle, tmp_path):
    again = export_model(untrained_bundle.root, tmp_path / "again", to="onnx")
    assert again.files == untrained_bundle.files
    assert again.graphs[0].parity.num_pixels == 64 * 64 + 50 * 39
    bare = export_model(again.root, tmp_path / "bare", to="onnx", keep_parity_images=False)
    assert bare.files == ("weights.safetensors", "model.onnx")
    with pytest.raises(ConfigError, match="bare: keeps no parity images; give DATA"):
        export_model(bare.root, tmp_path / "none", to="onnx")
    with pytest.raises(ConfigError, match="bare: this bundle keeps no parity images"):
        verify(bare, open_model(bare.root).engine)


def test_a_graph_of_openvino_is_compared_in_the_precision_that_it_takes_by_itself_too(
    untrained_bundle, tmp_path
):
    pytest.importorskip("openvino")
    lines = []
    export_model(untrained_bundle.root, tmp_path / "b", to="openvino", log=lines.append)
    (text,) = (line for line in lines if "bf16" in line)
    assert re.match(
        r"model.xml computed in bf16: largest difference of logits [\d.e-]+, [\d.]+% of the|"
        r"model.xml: not compared in bf16: precision 'bf16' needs a CPU with",
        text,
    )


def test_a_checkpoint_is_exported_with_data_alone(checkpoint, tmp_path):
    with pytest.raises(ConfigError, match="keeps no parity images; give DATA"):
        export_model(checkpoint, tmp_path / "b", to="onnx")


def test_an_unknown_target_and_precision_are_refused(untrained_bundle, tmp_path):
    with pytest.raises(UnknownNameError, match="'onyx'; did you mean 'onnx'"):
        export_model(untrained_bundle.root, tmp_path / "b", to="onyx")
    with pytest.raises(ConfigError, match=r"'bf16' cannot be written to model\.onnx"):
        export_model(untrained_bundle.root, tmp_path / "b", to="onnx", precision="bf16")
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_the_same_checkpoint_gives_the_same_bundle_and_a_report_is_carried(
    untrained_bundle, untrained_checkpoint, photographs, tmp_path
):
    report = tmp_path / "scores.json"
    report.write_text("{}")
    again = export_bundle(untrained_checkpoint, photographs, tmp_path / "b", report=report)
    assert again.file("report.json").read_text() == "{}"
    for name in untrained_bundle.files:
        assert again.file(name).read_bytes() == untrained_bundle.file(name).read_bytes()


@pytest.mark.slow
def test_weights_that_give_no_numbers_are_refused_and_nothing_is_written(
    checkpoint, photographs, tmp_path
):
    weights = load_file(checkpoint / "weights.safetensors")
    name = next(n for n, w in weights.items() if "encoder" in n and w.ndim == 4)
    weights[name] = np.full_like(weights[name], np.nan)
    save_file(weights, checkpoint / "weights.safetensors")
    with pytest.raises(BundleError, match=r"disagrees.*nothing was written"):
        export_bundle(checkpoint, photographs, tmp_path / "bundle")
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_images_of_another_kind_are_refused(checkpoint, tmp_path):
    pair = np.zeros((40, 40, 2), np.uint8)
    with pytest.raises(DataError, match="image 0 for parity: image has 2 channels"):
        export_bundle(checkpoint, [pair], tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_folder_that_is_not_a_checkpoint_is_refused(photographs, tmp_path):
    with pytest.raises(BundleError, match=r"card\.json: cannot be read: no such file"):
        export_bundle(tmp_path, photographs, tmp_path / "bundle")


@pytest.mark.slow
def test_a_full_disk_is_explained_and_left_empty(untrained_checkpoint, photographs, mounted):
    disk = mounted("size=256k")  # the graph alone is larger
    with pytest.raises(OutputError, match="bundle: cannot write: the disk is full"):
        export_bundle(untrained_checkpoint, photographs, disk / "bundle")
    assert list(disk.iterdir()) == []


def test_a_new_network_has_the_graph_that_another_left_when_it_was_exported(untrained_bundle):
    card = untrained_bundle.card
    assert has_graph(build_model(card), card)
    wider = replace(card, labels=LabelSpec.from_names("abcdef"))
    assert not has_graph(build_model(wider), wider)
