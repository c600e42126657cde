"""What tiles change is measured, kept in the Bundle, and said where an image is cut."""

from dataclasses import replace

import numpy as np
import pytest

from maskwright.core.card import ModelCard
from maskwright.core.graph import Graph, TilingEffect
from maskwright.core.logits import LogitsGrid
from maskwright.inference.remarks import list_remarks
from maskwright.inference.seams import mark_shared, measure_tiling_effect
from maskwright.inference.tiling import TileAxis, TilePlan, Tiling

EFFECT = TilingEffect(
    num_images=8, changed_share=0.0312, border_share=0.05, interior_share=0.021
)


@pytest.fixture
def card(painted_card) -> ModelCard:
    return replace(painted_card(), logits=LogitsGrid(4, 32))


def pixelwise(x_BCHW):
    """Logits of four classes of each fourth pixel alone."""
    x_Bhw = x_BCHW[:, 0, ::4, ::4]
    return np.stack([np.sin(n + 9 * x_Bhw) for n in range(4)], axis=1).astype(np.float32)


def pooling(x_BCHW):
    """As `pixelwise`, of pixels without the mean of the input."""
    return pixelwise(x_BCHW - x_BCHW.mean(axis=(2, 3), keepdims=True))


def draw(height=400, width=300):
    """An image that is darker at its upper left."""
    y, x = np.mgrid[:height, :width]
    grey = ((y + x) * 255 / (height + width)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def test_a_network_of_single_pixels_is_the_same_in_tiles_and_one_that_pools_is_not(
    card, engine_from
):
    same = measure_tiling_effect(
        engine_from(pixelwise), card, [draw(), draw(300, 400)], reach_px=0
    )
    assert same.num_images == 2
    assert same.changed_share < 1e-3  # ties in the last bit
    other = measure_tiling_effect(engine_from(pooling), card, [draw()], reach_px=0)
    assert other.num_images == 1
    assert 0.05 < other.changed_share < 1
    assert min(other.border_share, other.interior_share) <= other.changed_share
    assert other.changed_share <= max(other.border_share, other.interior_share)


def test_small_images_and_engines_of_one_size_are_not_measured(card, engine_from):
    assert (
        measure_tiling_effect(engine_from(pooling), card, [draw(90, 120)], reach_px=0) is None
    )
    fixed = engine_from(pooling, size_HW=(128, 128))
    assert measure_tiling_effect(fixed, card, [draw()], reach_px=0) is None


def test_pixels_that_lie_in_several_tiles_are_marked():
    axes = (TileAxis(size=288, tile=192, overlap=96), TileAxis(size=160, tile=160, overlap=64))
    shared_HW = mark_shared(TilePlan(*axes), (144, 80))
    expected_H = np.zeros(144, bool)
    expected_H[48:96] = True
    np.testing.assert_array_equal(shared_HW, np.repeat(expected_H[:, None], 80, axis=1))


def test_the_effect_is_kept_in_the_manifest_and_reaches_the_tiling(engine_from):
    graph = Graph(file="a.onnx", engine="fake", bytes_per_px=100.0, tiling=EFFECT)
    document = graph.to_json()
    assert document["tiling"]["changed_share"] == 0.0312
    assert Graph.from_json(document) == graph
    document.pop("tiling")  # of Bundles from before
    assert Graph.from_json(document).tiling is None
    engine = engine_from(pixelwise)
    engine.name = "fake"
    assert Tiling().take_measured([graph], engine).effect == EFFECT


def test_another_engine_takes_the_reach_of_the_network_and_not_the_memory(engine_from):
    graph = Graph(file="a.onnx", engine="fake", bytes_per_px=100.0, reach_px=70)
    engine = engine_from(pixelwise)
    engine.name = "fake"
    own, plain = Tiling().take_measured([graph], engine), Tiling()
    assert own.bytes_per_px == 140
    engine.name = "another"
    other = plain.take_measured([graph], engine)
    assert (own.reach_px, other.reach_px) == (70, 70)
    assert other.bytes_per_px == plain.bytes_per_px


def test_predict_says_what_tiles_change(card):
    (remark,) = list_remarks([("a", ["tiled"])], card, EFFECT)
    assert remark == (
        "1 image was cut into tiles; on 8 validation images, tiles changed the class of 3.12% "
        "of the pixels (5.00% where tiles meet, 2.10% elsewhere) (a)"
    )
    (remark,) = list_remarks([("a", ["tiled"]), ("b", ["tiled"])], card)
    assert remark == "2 images were cut into tiles; what that changes was not measured (a, b)"
