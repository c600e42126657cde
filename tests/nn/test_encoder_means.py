"""Encoder means: the same numbers from a network, its graph and its tiles."""

import numpy as np
import pytest
import torch

from maskwright.core import parts
from maskwright.core.card import ArchSpec
from maskwright.core.observation import ENCODER
from maskwright.inference.engine import ENGINES, EngineOptions, EnginePart
from maskwright.inference.engines.torch import TorchEngine
from maskwright.inference.observe import observe
from maskwright.inference.outputs import PredictedImage
from maskwright.inference.predictor import open_model
from maskwright.inference.tiling import Tiling
from maskwright.nn.build import new_model
from maskwright.nn.encoder_means import draw_signs, give_means, project_means


def test_signs_are_the_same_on_every_machine_and_keep_distances():
    signs = draw_signs(512)
    assert (signs[0, :8] > 0).tolist() == [True, False, False, True, True, False, False, True]
    assert np.abs(signs).max() == 1 / 8
    rng = np.random.default_rng(0)
    ones, others = rng.normal(size=(2, 200, 512)).astype(np.float32)
    before = np.linalg.norm(ones - others, axis=1)
    after = np.linalg.norm((ones - others) @ signs, axis=1)
    assert np.abs(after / before - 1).mean() < 0.1


def test_few_channels_keep_their_means():
    features_BChw = torch.tensor([[[[1.0, 3.0]], [[0.0, -1.0]]]])
    assert project_means(features_BChw).tolist() == [[2.0, -0.5]]


def test_a_network_gives_features_beside_the_same_logits_while_it_is_asked_to():
    torch.manual_seed(0)
    network = new_model(ArchSpec(name="unet", encoder="test_resnet"), 3, 4).eval()
    x_BCHW = torch.randn(2, 3, 40, 70)
    with torch.inference_mode():
        plain = network(x_BCHW)
        with give_means(network):
            logits, features = network(x_BCHW)
        padded_BCHW = torch.nn.functional.pad(x_BCHW, (0, 26, 0, 24), "replicate")
        last = network.network.encoder(padded_BCHW)
        again = network(x_BCHW)
    assert torch.equal(plain, logits)
    assert torch.equal(plain, again)
    torch.testing.assert_close(features, project_means(last[-1]))


def test_a_network_without_an_encoder_gives_logits_alone():
    network = new_model(ArchSpec(name="fastscnn", encoder="own"), 3, 4).eval()
    assert TorchEngine(network).run(np.zeros((1, 3, 32, 32), np.float32)).features_BD is None


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_graph_gives_the_features_of_its_network(untrained_bundle, photographs, name):
    bundle = untrained_bundle
    (graph,) = bundle.graphs
    assert graph.outputs == ("logits", "features")
    part = parts.load(ENGINES, name, like=EnginePart)
    if lacks := part.missing():
        pytest.skip(str(lacks))
    engine = part.build(bundle.file(graph.file), bundle.card, EngineOptions())
    expected = open_model(bundle.root, engine="torch").logits(photographs[0])
    found = open_model(bundle.root, engine=name).logits(photographs[0])
    np.testing.assert_allclose(found.features_D, expected.features_D, atol=1e-5)
    x_BCHW = np.random.default_rng(0).random((2, 3, 64, 96), np.float32)
    np.testing.assert_array_equal(engine(x_BCHW), engine.run(x_BCHW).logits_BKhw)


def test_an_image_in_tiles_has_the_mean_of_their_features_in_its_observation(untrained_bundle):
    image_HWC = np.random.default_rng(1).integers(0, 255, (128, 192, 3), np.uint8)
    whole = open_model(untrained_bundle.root)
    tiling = Tiling.from_text("128x128", overlap=64, max_memory="1GB")
    tiled = open_model(untrained_bundle.root, tiling=tiling)
    of_tiles = [whole.logits(image_HWC[:, left : left + 128]).features_D for left in (0, 64)]
    prediction = tiled.predict(image_HWC)
    np.testing.assert_allclose(prediction.features_D, np.mean(of_tiles, axis=0), atol=1e-5)
    item = PredictedImage(key="a", image_HWC=image_HWC, prediction=prediction)
    family = observe(item, tiled.card.input).families[ENCODER]
    assert list(family)[:2] == ["feature 1", "feature 2"]
    np.testing.assert_allclose([*family.values()], prediction.features_D, rtol=1e-5)
