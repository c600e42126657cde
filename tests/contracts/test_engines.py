"""Every file in inference/engines keeps the same promises."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from maskwright.core import parts
from maskwright.core.card import ModelCard
from maskwright.core.errors import BundleError
from maskwright.inference import engines

NAMES = parts.names("maskwright.inference.engines")


@pytest.fixture(scope="module")
def folder(untrained_bundle):
    """A folder with the file of every engine."""
    return untrained_bundle.root


@pytest.fixture(params=NAMES)
def part(request):
    return parts.load("maskwright.inference.engines", request.param)


@pytest.fixture
def engine(part, folder, untrained_bundle):
    assert (folder / part.FILE).is_file()
    return part.build(folder, untrained_bundle.card)


def images(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_the_contract_names_what_the_parts_offer():
    assert "`FILE: str`" in engines.__doc__
    assert NAMES == ("onnxruntime", "torch")


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 33, 70), (3, 3, 64, 32)])
def test_logits_are_float32_of_the_size_of_any_input(engine, shape):
    logits_BKHW = engine(images(*shape))
    assert logits_BKHW.shape == (shape[0], 4, *shape[2:])
    assert logits_BKHW.dtype == np.float32
    assert logits_BKHW.flags.c_contiguous


def test_the_same_input_gives_the_same_logits(engine):
    x_BCHW = images(2, 3, 40, 50)
    np.testing.assert_array_equal(engine(x_BCHW), engine(x_BCHW.copy()))


def test_an_image_is_scored_alone_as_in_a_batch(engine):
    x_BCHW = images(3, 3, 40, 50)
    alone = np.concatenate([engine(x_BCHW[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(engine(x_BCHW), alone, atol=1e-4)


def test_engines_agree(folder, untrained_bundle):
    x_BCHW = images(2, 3, 45, 61)
    one, *others = (
        parts.load("maskwright.inference.engines", name).build(folder, untrained_bundle.card)(
            x_BCHW
        )
        for name in NAMES
    )
    for other in others:
        np.testing.assert_allclose(one, other, atol=1e-4)


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from maskwright.core import parts
from maskwright.inference.predictor import Predictor, open_model

bundle = open_model(sys.argv[1])
part = parts.load("maskwright.inference.engines", sys.argv[2])
engine = part.build(Path(sys.argv[1]), bundle.card)
model = Predictor(engine, bundle.card, bundle.model_id)
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
@pytest.mark.parametrize("name", NAMES)
def test_an_image_too_large_for_the_memory_is_named(name, folder):
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, str(folder), name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        "DataError large.png: 3000 x 3000 px (H, W) need more memory than there is; "
        "cut the image into tiles or make it smaller\n"
    )


def test_another_network_than_the_card_says_is_refused(part, folder, untrained_bundle):
    document = json.loads(json.dumps(untrained_bundle.card.to_json()))
    document["labels"] = document["labels"][:3]
    with pytest.raises(BundleError, match=part.FILE) as caught:
        part.build(folder, ModelCard.from_json(document, where="card"))
    assert "export it again" in str(caught.value) or "export the model again" in str(
        caught.value
    )


def test_a_damaged_file_is_refused(part, folder, untrained_bundle, tmp_path):
    shutil.copy(folder / part.FILE, tmp_path)
    content = (tmp_path / part.FILE).read_bytes()
    (tmp_path / part.FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=part.FILE):
        part.build(tmp_path, untrained_bundle.card)


def test_a_missing_file_is_refused(part, untrained_bundle, tmp_path):
    with pytest.raises(BundleError, match=part.FILE):
        part.build(tmp_path, untrained_bundle.card)
