"""Every file in inference/engines keeps the same promises."""

import json
import shutil

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
