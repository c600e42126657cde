"""Images in tiles: every pixel once, no seams, and the numbers of the whole image."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core.errors import ConfigError
from maskwright.core.inputspec import SizeRule
from maskwright.core.labels import LabelSpec
from maskwright.core.logits import LogitsGrid
from maskwright.inference.predictor import Predictor
from maskwright.inference.resolution import decide
from maskwright.inference.seams import measure_reach
from maskwright.inference.tiledimage import TiledImage
from maskwright.inference.tiling import OFF, UNIT, TileAxis, Tiling

REACH_PX = 16
"""Of the convolutional engine, whose receptive field is 33 px."""


def pad(x_CHW, multiple=UNIT):
    below, right = (-n % multiple for n in x_CHW.shape[1:])
    return np.pad(x_CHW, ((0, 0), (0, below), (0, right)), mode="edge")


@pytest.fixture
def model(painted_card, engine_from):
    """A function: a Predictor of a network of one convolution with logits at a stride."""

    def make(stride=4, *, scale_ratio=1.0, max_batch=3, function=None):
        kernels = np.random.default_rng(1).normal(
            size=(4, 3, 2 * REACH_PX + 1, 2 * REACH_PX + 1)
        )

        def convolve(x_CHW):
            _, height, width = x_CHW.shape
            x_CHW = pad(x_CHW)
            planes = [
                sum(
                    cv2.filter2D(x_HW, -1, kernel, borderType=cv2.BORDER_CONSTANT)
                    for x_HW, kernel in zip(x_CHW, of_class.astype(np.float32), strict=True)
                )
                for of_class in kernels
            ]
            logits_Khw = np.stack(planes)[:, ::stride, ::stride]
            return logits_Khw[:, :height, :width] if stride == 1 else logits_Khw

        run = function or (lambda x_BCHW: np.stack([convolve(x_CHW) for x_CHW in x_BCHW]))
        card = painted_card(scale_ratio=scale_ratio)
        grid = LogitsGrid(stride, UNIT) if stride > 1 else LogitsGrid()
        engine = engine_from(run, max_batch=max_batch)
        return Predictor(engine, replace(card, logits=grid), "0" * 16)

    return make


def noise(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return cv2.GaussianBlur(image, (0, 0), 3)


def tiled(model, tile, overlap=64):
    return replace(model, tiling=Tiling(tile=tile, overlap=overlap))


@given(
    size=st.integers(1, 1000),
    tile=st.integers(4, 10).map(lambda n: n * UNIT),
    overlap=st.sampled_from([64]),
    ramp=st.sampled_from([None, 1, 7, 16]),
    stride=st.sampled_from([1, 4, 8, 32]),
)
def test_tiles_cover_every_pixel_and_their_weights_sum_to_one(
    size, tile, overlap, ramp, stride
):
    axis = TileAxis(size=size, tile=tile, overlap=overlap, ramp=ramp)
    total = np.zeros((axis.starts[-1] + axis.tile) // stride)
    for start, weight in zip(axis.starts, axis.weigh(stride), strict=True):
        assert start % UNIT == 0
        assert (weight >= 0).all()
        total[start // stride :][: len(weight)] += weight
    assert len(total) * stride >= size
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert all(
        b - a <= axis.tile - overlap for a, b in zip(axis.starts, axis.starts[1:], strict=False)
    )


def test_the_last_tile_ends_where_the_padded_image_does():
    assert TileAxis(size=300, tile=128, overlap=64).starts == [0, 64, 128, 192]
    (weight,) = TileAxis(size=100, tile=128, overlap=64).weigh(4)
    assert weight.tolist() == [1.0] * 32


@pytest.mark.parametrize("stride", [1, 4, 8])
@pytest.mark.parametrize("size_HW", [(300, 270), (256, 256), (161, 97)])
def test_a_convolution_in_tiles_gives_the_logits_of_the_whole_image(model, stride, size_HW):
    whole, image = model(stride), noise(*size_HW)
    found = tiled(whole, (128, 160)).logits(image)
    expected = whole.logits(image)
    assert found.rows == expected.rows
    height, width = LogitsGrid(stride, 32).size(size_HW) if stride > 1 else size_HW
    scale = np.abs(expected.values_Khw).max()
    np.testing.assert_allclose(
        found.values_Khw[:, :height, :width] / scale,
        expected.values_Khw[:, :height, :width] / scale,
        atol=1e-5,
    )


@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("scale_ratio", [1.0, 0.5, 0.7, 1.3])
def test_blocks_give_what_the_whole_array_gives(model, stride, scale_ratio):
    predictor = model(stride, scale_ratio=scale_ratio)
    image, spec = noise(401, 300), predictor.card.input
    plan = Tiling(tile=(128, 160), overlap=64).plan(
        predictor.engine, predictor.card, (401, 300)
    )
    tiles = TiledImage.of_array(plan, image, spec)
    whole = decide(tiles.run(predictor.engine, predictor.card))
    labels_HW = np.full((401, 300), 77, np.uint8)
    confidence_HW = np.zeros((401, 300), np.float32)
    ends = []
    for block, after in tiles.run_blocks(predictor.engine, predictor.card):
        assert max(block.values_Khw.shape[1:]) <= 160 // stride + 2
        (top, height), (left, width) = (
            (axis.first, num)
            for axis, num in zip((block.rows, block.columns), block.size_HW, strict=True)
        )
        part, found = np.s_[top : top + height, left : left + width], decide(block)
        assert (labels_HW[part] == 77).all()
        labels_HW[part], confidence_HW[part] = found.labels_HW, found.confidence_HW
        ends += [] if after is None else [after.num_tiles]
    assert ends == list(range(1, len(plan.rows.starts) + 1))
    np.testing.assert_array_equal(labels_HW, whole.labels_HW)
    np.testing.assert_allclose(confidence_HW, whole.confidence_HW, rtol=1e-4)


def test_logit_pixels_are_divided_among_tiles_with_one_held_back():
    axis = TileAxis(size=300, tile=128, overlap=64)
    parts = axis.divide(4, 300)
    assert [(p.origin, p.first, p.stop) for p in parts] == [
        (0, 0, 22),
        (21, 22, 38),
        (37, 38, 54),
        (53, 54, 80),
    ]
    assert [(p.used.start, p.used.stop) for p in parts] == [(0, 26), (6, 26), (6, 26), (6, 32)]
    assert [(p.pixels.start, p.pixels.stop) for p in parts] == [
        (0, 86),
        (86, 150),
        (150, 214),
        (214, 300),
    ]
    last = axis.divide(1, 300)[-1]
    assert (last.used.start, last.origin, last.first, last.stop) == (24, 216, 216, 300)


@pytest.mark.parametrize("stride", [1, 8])
def test_the_reach_of_a_convolution_is_measured(model, stride):
    predictor = model(stride)
    reach_px = measure_reach(predictor.engine, predictor.card)
    assert REACH_PX - stride <= reach_px <= REACH_PX + stride


def test_a_constant_network_gives_a_constant_map(model):
    def constant(x_BCHW):
        batch, _, height, width = x_BCHW.shape
        logits_BKhw = np.zeros((batch, 4, height // 4, width // 4), np.float32)
        logits_BKhw[:, 2] = 1
        return logits_BKhw

    predictor = tiled(model(function=constant), (128, 128))
    prediction = predictor.predict(noise(500, 333))
    assert (prediction.labels_HW == 2).all()
    np.testing.assert_allclose(prediction.confidence_HW, np.e / (np.e + 3), rtol=1e-5)


def test_the_image_and_the_bytes_per_pixel_alone_decide_on_tiles(model):
    predictor = model()
    card, engine = predictor.card, predictor.engine
    assert Tiling().plan(engine, card, (4096, 4096)) is None
    plan = Tiling().plan(engine, card, (9000, 12000))
    assert plan.to_json() == {"tile": [1024, 1024], "overlap": 128, "tiles": [10, 14]}
    sides = {
        bytes_per_px: Tiling(bytes_per_px=bytes_per_px).plan(engine, card, (9000, 12000))
        for bytes_per_px in (100, 500, 800, 2000, 20_000)
    }
    assert {n: (p.rows.tile, p.batch) for n, p in sides.items()} == {
        100: (1024, 1),  # a call of more pixels gains nothing
        500: (1024, 1),
        800: (800, 1),
        2000: (512, 1),
        20_000: (256, 1),  # twice the overlap
    }
    assert Tiling(tile=(256, 256)).plan(engine, card, (9000, 12000)).batch == 3  # of the engine
    plans = [
        Tiling(reach_px=n, bytes_per_px=50).plan(engine, card, (9000, 12000))
        for n in (24, 48, 60, 500)
    ]
    assert [plan.rows.overlap for plan in plans] == [64, 128, 160, 256]
    assert [plan.rows.tile for plan in plans] == [1024, 1024, 1280, 2048]
    lean = Tiling(max_memory=32 << 20, bytes_per_px=512)
    assert lean.plan(engine, card, (256, 256)) is None
    assert lean.plan(engine, card, (257, 256)).to_json()["tile"] == [256, 256]
    assert Tiling(tile=OFF).plan(engine, card, (90_000, 90_000)) is None
    ruled = replace(card, input=replace(card.input, size_rule=SizeRule(shortest_px=512)))
    assert Tiling().plan(engine, ruled, (9000, 12000)) is None


def test_many_classes_at_full_size_share_fewer_rows_across_a_wide_image(model):
    predictor = model()
    names = [f"class {index}" for index in range(150)]
    heavy = replace(predictor.card, labels=LabelSpec.from_names(names), logits=LogitsGrid())
    plan = Tiling(bytes_per_px=1000).plan(predictor.engine, heavy, (30_000, 30_000))
    assert (plan.rows.tile, plan.rows.ramp) == (416, 7)
    first, *_ = plan.rows.divide(1, 30_000)
    num_shared = first.used.stop - first.stop
    assert 0 < 2 * 150 * 4 * 30_000 * num_shared <= 256 << 20
    light = Tiling().plan(predictor.engine, predictor.card, (30_000, 30_000))
    assert light.rows.ramp == light.rows.overlap // 4


def test_an_engine_of_one_size_has_tiles_of_that_size(model, engine_from):
    predictor, shapes = model(), []

    def run(x_BCHW):
        shapes.append(x_BCHW.shape)
        return predictor.engine(x_BCHW)

    static = replace(predictor, engine=engine_from(run, size_HW=(128, 192)))
    assert static.predict(noise(300, 300)).labels_HW.shape == (300, 300)
    assert set(shapes) == {(1, 3, 128, 192)}


@pytest.mark.parametrize(
    ("tile", "overlap", "max_memory", "message"),
    [
        ("100x128", 64, "4GB", r"multiples of 32; use --tile 1024x1024 --overlap 128"),
        ("128x128", 96, "4GB", r"overlap 96 of tiles of 128 px: use 64 to half"),
        ("128", 64, "4GB", r"tile is '128'; use auto, off or HxW"),
        ("auto", 128, "4 GB", r"max-memory is '4 GB'; use a size such as 2GB or 800MB"),
    ],
)
def test_tiles_that_cannot_be_are_refused(tile, overlap, max_memory, message):
    with pytest.raises(ConfigError, match=message):
        Tiling.from_text(tile, overlap=overlap, max_memory=max_memory)
    assert Tiling.from_text(
        "64x128".replace("64", "160"), overlap=64, max_memory="2GB"
    ) == Tiling(tile=(160, 128), overlap=64, max_memory=2 << 30)
