"""Every file in inference/engines keeps the same promises."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from maskwright.core import parts
from maskwright.core.bundle import write_bundle
from maskwright.core.card import ModelCard
from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.graph import Graph
from maskwright.core.trust import hash_file, remember
from maskwright.export.targets import torch_export
from maskwright.export.torchnetwork import TorchNetwork
from maskwright.inference.engine import ENGINES, EngineOptions, EnginePart
from maskwright.inference.engines import openvino
from maskwright.inference.predictor import open_model
from maskwright.inference.resolution import to_network
from maskwright.nn.build import build_model

from ..fixtures.litert.make import FILE as LITERT
from ..fixtures.litert.make import make_network
from ..small_archs import small_arch

NAMES = parts.names(ENGINES)
OTHER = ("litert", "torch_export")
OPTIONS = EngineOptions()


@pytest.fixture(scope="session")
def folder(untrained_bundle, tmp_path_factory):
    """A Bundle with a file for every engine; those of `OTHER` are of other networks."""
    card = replace(untrained_bundle.card, arch=small_arch("unet", "test_resnet"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_model(card).eval()
    root = tmp_path_factory.mktemp("engines")
    outputs = torch_export.write(TorchNetwork(network, card), root / "model.pt2", "fp32")
    remember("graph", hash_file(root / "model.pt2"))
    exported = Graph(file="model.pt2", engine="torch_export", outputs=outputs)
    files = {name: untrained_bundle.file(name) for name in untrained_bundle.files}
    files |= {"model.pt2": root / "model.pt2", "conv.tflite": LITERT}
    remember("graph", hash_file(LITERT))
    graphs = *untrained_bundle.graphs, exported, Graph(file="conv.tflite", engine="litert")
    return write_bundle(root / "bundle", untrained_bundle.card, files, graphs=graphs).root


def file_for(part, folder):
    return min(p for pattern in part.FILES.split() for p in folder.glob(pattern))


@pytest.fixture(params=NAMES)
def part(request):
    return parts.load(ENGINES, request.param, like=EnginePart)


@pytest.fixture
def engine(part, folder, untrained_bundle):
    return part.build(file_for(part, folder), untrained_bundle.card, OPTIONS)


def images(*shape, engine=None):
    """Noise; of one image of its size for an engine that takes no other."""
    if engine is not None and engine.size_HW is not None:
        shape = 1, 3, *engine.size_HW
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_an_engine_bears_the_name_of_its_part(engine, request):
    assert engine.name == request.node.callspec.params["part"]


def test_a_bundle_runs_on_onnx_runtime_where_both_are_installed():
    every = {name: parts.load(ENGINES, name, like=EnginePart) for name in NAMES}
    assert max(every, key=lambda name: every[name].PRIORITY) == "onnxruntime"
    assert all(part.missing() is None for part in every.values())


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 33, 70), (3, 3, 64, 32)])
def test_logits_are_float32_of_the_size_of_any_input(engine, shape):
    x_BCHW = images(*shape, engine=engine)
    logits_BKHW = engine(x_BCHW)
    assert logits_BKHW.shape == (len(x_BCHW), 4, *x_BCHW.shape[2:])
    assert logits_BKHW.dtype == np.float32
    assert logits_BKHW.flags.c_contiguous


def test_the_same_input_gives_the_same_logits(engine):
    x_BCHW = images(2, 3, 40, 50, engine=engine)
    np.testing.assert_array_equal(engine(x_BCHW), engine(x_BCHW.copy()))


def test_an_image_is_scored_alone_as_in_a_batch(engine):
    if engine.max_batch == 1:
        pytest.skip("takes one image at a time")
    x_BCHW = images(3, 3, 40, 50)
    alone = np.concatenate([engine(x_BCHW[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(engine(x_BCHW), alone, atol=1e-4)


def test_engines_agree(folder, untrained_bundle):
    x_BCHW = images(2, 3, 45, 61)
    names = [name for name in NAMES if name not in OTHER]
    every = [parts.load(ENGINES, name, like=EnginePart) for name in names]
    one, *others = (
        part.build(file_for(part, folder), untrained_bundle.card, OPTIONS)(x_BCHW)
        for part in every
    )
    for other in others:
        np.testing.assert_allclose(one, other, atol=1e-4)


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from maskwright.inference.predictor import open_model

model = open_model(sys.argv[1], engine=sys.argv[2])
model.predict(np.zeros((32, 32, 3), np.uint8), where="small.png")
image = np.zeros((3000, 3000, 3), np.uint8)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 350_000_000,) * 2)
try:
    model.predict(image, where="large.png")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "litert"])  # it has tiles
def test_an_image_too_large_for_the_memory_is_named(name, folder):
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(folder), name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        "DataError large.png: 3000 x 3000 px (H, W) need more memory than is available; "
        "cut the image into tiles (tiling) or make it smaller\n"
    )


LET_GO = """
import gc, signal, subprocess, sys, threading
import numpy as np
from maskwright.inference.predictor import open_model

signal.signal(signal.SIGCHLD, lambda *_: None)
models = [open_model(sys.argv[1], engine=sys.argv[2])]
models[0].predict(np.zeros((32, 32, 3), np.uint8), where="small.png")

def let_go():
    models.clear()
    gc.collect()

thread = threading.Thread(target=let_go)
thread.start()
thread.join()
subprocess.run([sys.executable, "-c", ""], check=True)
print("alive")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGCHLD")
@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_a_signal_ends_no_process_whose_engine_another_thread_has_let_go(name, folder):
    done = subprocess.run(
        [sys.executable, "-c", LET_GO, str(folder), name],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_another_network_than_the_card_says_is_refused(part, folder, untrained_bundle):
    document = json.loads(json.dumps(untrained_bundle.card.to_json()))
    document["labels"] = document["labels"][:3]
    card = ModelCard.from_json(document, where="card")
    with pytest.raises(BundleError, match=file_for(part, folder).name) as caught:
        part.build(file_for(part, folder), card, OPTIONS)
    assert "export it again" in str(caught.value) or "export the model again" in str(
        caught.value
    )


def test_a_damaged_file_is_refused(part, folder, untrained_bundle, tmp_path):
    copy = Path(shutil.copy(file_for(part, folder), tmp_path))
    copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    with pytest.raises(BundleError, match=copy.name):
        part.build(copy, untrained_bundle.card, OPTIONS)


def test_a_missing_file_is_refused(part, folder, untrained_bundle, tmp_path):
    name = file_for(part, folder).name
    with pytest.raises(BundleError, match=name):
        part.build(tmp_path / name, untrained_bundle.card, OPTIONS)


def test_threads_and_device_change_no_number(part, folder, untrained_bundle):
    file, card = file_for(part, folder), untrained_bundle.card
    plain = part.build(file, card, EngineOptions(device="cpu"))
    x_BCHW = images(1, 3, 40, 50, engine=plain)
    chosen = part.build(file, card, EngineOptions(threads=1, device="cpu"))
    np.testing.assert_allclose(plain(x_BCHW), chosen(x_BCHW), atol=1e-4)


def test_a_device_that_is_not_here_is_refused(part, folder, untrained_bundle):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ConfigError, match="CUDA"):
        part.build(file_for(part, folder), untrained_bundle.card, EngineOptions(device="cuda"))


def test_bf16_on_a_processor_without_its_instructions_names_those_that_it_has():
    core = SimpleNamespace(get_property=lambda *_: ["FP32", "INT8"])
    with pytest.raises(
        ConfigError, match=r"on this one OpenVINO finds FP32, INT8; use precision 'fp32'"
    ):
        openvino._list_settings(core, EngineOptions(precision="bf16"))
    settings = openvino._list_settings(core, EngineOptions())
    assert settings["INFERENCE_PRECISION_HINT"] == "f32"


def test_bf16_is_refused_on_a_processor_with_avx2_alone(untrained_bundle):
    """oneDNN, by which both engines compute, is held to AVX2; OpenVINO's own list is not."""
    code = """
import sys
from pathlib import Path
from maskwright.core.bundle import open_bundle
from maskwright.core.errors import ConfigError
from maskwright.inference.engine import EngineOptions
from maskwright.inference.engines import openvino, torch
bundle = open_bundle(Path(sys.argv[1]))
for part, file in ((openvino, "model.onnx"), (torch, "weights.safetensors")):
    try:
        part.build(bundle.file(file), bundle.card, EngineOptions(precision="bf16"))
    except ConfigError as error:
        print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(untrained_bundle.root)],
        capture_output=True,
        text=True,
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
        check=True,
    )
    vino, torch_ = ran.stdout.splitlines()
    assert vino.startswith("precision 'bf16' needs a CPU with AVX512_BF16 or AMX; on this one ")
    assert torch_.endswith("without which torch takes many times as long; use precision 'fp32'")


def test_a_program_with_pickled_objects_is_refused(folder, untrained_bundle, tmp_path):
    part = parts.load(ENGINES, "torch_export", like=EnginePart)
    copy = Path(shutil.copy(folder / "model.pt2", tmp_path))
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr("model/extra/state.pkl", b"cos\nsystem\n")
    with pytest.raises(BundleError, match=r"state\.pkl in it holds pickled objects"):
        part.build(copy, untrained_bundle.card, OPTIONS)


def test_a_litert_graph_gives_the_logits_of_its_network_on_images_of_other_sizes_too(folder):
    """Smaller ones are padded with their last row and column, larger ones cut into tiles."""
    network = make_network()
    for size_HW in ((128, 160), (50, 70), (128, 90), (300, 400), (90, 400)):
        image_HWC = np.random.default_rng(0).integers(0, 256, (*size_HW, 3), np.uint8)
        model = open_model(folder, engine="litert")
        logits = model.logits(image_HWC)
        x_CHW = torch.from_numpy(to_network(image_HWC, model.card.input))
        with torch.inference_mode():
            expected_KHW = network(x_CHW[None])[0].numpy()
        np.testing.assert_allclose(logits.values_Khw, expected_KHW, atol=1e-5)
