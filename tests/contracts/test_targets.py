"""Every file in export/targets writes what its engine runs, for every architecture and size."""

import zipfile

import numpy as np
import onnx
import onnx_ir
import pytest
import torch

from maskwright.core import InputSpec, LabelSpec, parts
from maskwright.core.card import ModelCard
from maskwright.core.errors import ConfigError
from maskwright.export import onnxgraph
from maskwright.export.target import Target, choose_precision, name_file
from maskwright.export.torchnetwork import TorchNetwork
from maskwright.inference.engine import ENGINES, EngineOptions, EnginePart
from maskwright.nn.build import build_model

from ..small_archs import small_arch

TARGETS = "maskwright.export.targets"
SHAPES = [(1, 3, 1, 1), (3, 3, 31, 33), (1, 3, 64, 32), (2, 3, 30, 170), (1, 3, 97, 131)]


EACH_KIND = (
    "deeplabv3plus",
    "dpt",
    "eomt",
    "fpn",
    "mask2former",
    "pidnet_s",
    "segformer",
    "unet",
)
"""One architecture of each kind of graph; the others, 10 s each, run in `make test-slow`."""

SIZE_HW = (128, 160)
"""Of the graphs of one size."""

NOT_IN_LITERT = {
    "enet": "convolution",  # a transposed one that pads its output
    "fcdensenet103": "convolution",
    "mask_rcnn": "roi_align",
}
WRONG_IN_LITERT = ("segnet", "segnet_basic")
"""Their graphs give other logits: the comparison before writing refuses them."""

NOT_IN_CORE_ML = {
    "dinov2": "upsample_bicubic2d",
    "eomt": "upsample_bicubic2d",
    "mask2former": "rank <= 5",
    "mask_rcnn": "prod",
}
"""What litert-torch 0.10 and coremltools 9.0 do not read of the architectures they refuse."""


def list_cases():
    """Targets with all architectures on a small encoder, and the dilated one.

    OpenVINO and others begin with the same graph as ONNX, so one is tested each time.
    """
    marks = {True: (), False: pytest.mark.long}
    archs = parts.names("maskwright.nn.archs")
    assert set(EACH_KIND) <= set(archs)
    cases = []
    for target in parts.names(TARGETS):
        if parts.load(TARGETS, target, like=Target).HAS_FIXED_SIZE:
            continue
        often = EACH_KIND if target == "onnx" else ("unet",)
        cases += [
            pytest.param(target, a, "test_resnet", marks=marks[a in often]) for a in archs
        ]
    return [*cases, pytest.param("onnx", "pan", "convnext_atto", marks=pytest.mark.long)]


def load_installed(target):
    """The target; skips where its package is not installed."""
    part = parts.load(TARGETS, target, like=Target)
    lacks = part.missing()
    if lacks is not None:
        pytest.skip(str(lacks))
    return part


def make(arch, encoder="test_resnet", channels=3, seed=0):
    """On the encoder it needs, else on `encoder`, by default a very small one."""
    card = ModelCard(
        labels=LabelSpec.from_names(("a", "b", "c")),
        input=InputSpec(channels=channels, mean=(0.5,) * channels, std=(0.2,) * channels),
        arch=small_arch(arch, encoder),
    )
    torch.manual_seed(seed)
    network = build_model(card).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return card, network


@pytest.mark.slow
@pytest.mark.parametrize(("target", "arch", "encoder"), list_cases())
def test_the_graph_says_what_the_network_says_at_any_size(
    target, arch, encoder, tmp_path, capfd
):
    card, network = make(arch, encoder)
    part = parts.load(TARGETS, target, like=Target)
    try:
        outputs = part.write(TorchNetwork(network, card), tmp_path / part.FILE, "fp32")
    except ConfigError as error:
        if target == "torch_export" and "cannot be written by torch.export for any" in str(
            error
        ):
            pytest.skip(f"{arch}: {error}")  # pooling over the image, which it cannot save
        raise
    assert outputs[0] == "logits"
    name = part.ENGINE if part.RUNS_HERE else "onnxruntime"
    engine = parts.load(ENGINES, name, like=EnginePart)
    engine = engine.build(tmp_path / part.FILE, card, EngineOptions())
    rng = np.random.default_rng(0)
    for shape in SHAPES:
        x_BCHW = rng.normal(size=shape).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(x_BCHW)).numpy()
        logits = engine(x_BCHW)
        atol = 1e-3 * max(1, np.abs(expected).max() / 100)
        np.testing.assert_allclose(logits, expected, atol=atol, err_msg=str(shape))
        # Sums of float32 in another order differ by some 1e-6 of the largest logit, on some
        # processors more than on others; and rounding may move a stored maximum to its equal
        # neighbour, in a pixel here and there.
        allowed = 1e-5 * max(10.0, float(np.abs(expected).max()))
        assert np.mean(np.abs(logits - expected) > allowed) < 1e-3, shape
    assert "torch.onnx" not in capfd.readouterr().out


def list_archs():
    """All architectures, of which one is not left to `make test-slow`."""
    archs = parts.names("maskwright.nn.archs")
    return [pytest.param(a, marks=() if a == "unet" else pytest.mark.long) for a in archs]


@pytest.mark.slow
@pytest.mark.parametrize("arch", list_archs())
def test_a_graph_of_litert_says_what_the_network_says_at_its_size(arch, tmp_path):
    part, (card, network) = load_installed("litert"), make(arch)
    path = tmp_path / part.FILE
    if arch in NOT_IN_LITERT:
        with pytest.raises(ConfigError, match=NOT_IN_LITERT[arch]):
            part.write(TorchNetwork(network, card), path, "fp32", size_HW=SIZE_HW)
        return
    assert part.write(TorchNetwork(network, card), path, "fp32", size_HW=SIZE_HW) == ("logits",)
    engine = parts.load(ENGINES, "litert", like=EnginePart)
    engine = engine.build(path, card, EngineOptions())
    assert engine.size_HW == SIZE_HW
    x_BCHW = np.random.default_rng(0).normal(size=(1, 3, *SIZE_HW)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(x_BCHW)).numpy()
    share = np.abs(engine(x_BCHW) - expected).max() / np.abs(expected).max()
    assert share > 0.1 if arch in WRONG_IN_LITERT else share < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("arch", list_archs())
def test_a_graph_of_core_ml_maps_an_image_to_logits_or_the_reason_is_listed(arch, tmp_path):
    """What it computes is compared on a Mac alone, by the script that lies beside it."""
    part, (card, network) = load_installed("coreml"), make(arch)
    path = tmp_path / part.FILE
    if arch in NOT_IN_CORE_ML:
        with pytest.raises(ConfigError, match=NOT_IN_CORE_ML[arch]):
            part.write(TorchNetwork(network, card), path, "fp32", size_HW=SIZE_HW)
        return
    part.write(TorchNetwork(network, card), path, "fp32", size_HW=SIZE_HW)
    assert describe_core_ml(path) == [
        ("image", [1, 3, *SIZE_HW], "FLOAT32"),
        ("logits", [1, 3, *SIZE_HW], "FLOAT32"),
    ]


def describe_core_ml(path):
    """Name, shape and type of the input and the output of a package in an archive."""
    from coremltools.proto import FeatureTypes_pb2, Model_pb2

    with zipfile.ZipFile(path) as archive:
        content = archive.read("model.mlpackage/Data/com.apple.CoreML/model.mlmodel")
    description = Model_pb2.Model.FromString(content).description
    name_type = FeatureTypes_pb2.ArrayFeatureType.ArrayDataType.Name
    found = []
    for one in (*description.input, *description.output):
        array = one.type.multiArrayType
        found.append((one.name, list(array.shape), name_type(array.dataType)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("target", parts.names(TARGETS))
def test_the_file_tells_nothing_of_the_machine_and_is_the_same_traced_or_kept(
    target, tmp_path, monkeypatch
):
    """`kept` has the weights of another network in the graph that the first one left."""
    part = load_installed(target)
    contents = {}
    for name, home, seed in (("one", "a", 0), ("kept", "a", 1), ("traced", "b", 1)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / home))
        card, network = make("unet", channels=1, seed=seed)
        (tmp_path / name).mkdir()
        size_HW = SIZE_HW if part.HAS_FIXED_SIZE else None
        path = tmp_path / name / part.FILE
        part.write(TorchNetwork(network, card), path, "fp32", size_HW=size_HW)
        files = sorted((tmp_path / name).iterdir())  # OpenVINO has its weights beside
        contents[name] = b"".join(path.read_bytes() for path in files)
    assert contents["kept"] == contents["traced"] != contents["one"]
    assert b"site-packages" not in contents["one"]
    assert str(tmp_path).encode() not in contents["one"]


@pytest.mark.parametrize("target", parts.names(TARGETS))
def test_a_target_names_an_engine_a_file_and_its_precisions(target):
    part = parts.load(TARGETS, target, like=Target)
    assert (part.ENGINE in parts.names(ENGINES)) == part.RUNS_HERE
    assert choose_precision(part, None) == next(iter(part.TOLERANCES))
    with pytest.raises(ConfigError, match=r"precision 'fp1' cannot be written to .*; use"):
        choose_precision(part, "fp1")
    assert name_file(part, choose_precision(part, None)) == part.FILE
    stem, suffix = part.FILE.split(".")
    assert name_file(part, "int4") == f"{stem}.int4.{suffix}"


def test_a_graph_tied_to_the_traced_size_is_refused():
    image, logits = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["B", 3, 72, 104])
        for name in ("image", "logits")
    )
    node = onnx.helper.make_node("Identity", ["image"], ["logits"])
    graph = onnx.helper.make_graph([node], "tied", [image], [logits])
    model = onnx_ir.serde.deserialize_model(onnx.helper.make_model(graph))
    card, _ = make("enet")
    with pytest.raises(ConfigError, match="would hold for one height, width only; choose"):
        onnxgraph._require_free_sizes(model, card)
