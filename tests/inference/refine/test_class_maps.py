"""Refiners of class maps against maps drawn by hand, scipy and scikit-image."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.core.logits import Logits
from maskwright.inference.refine import superpixels
from maskwright.inference.refine.holes import find_holes
from maskwright.inference.refine.morphology import draw_disk
from maskwright.inference.refiner import Refinement, SourceImage
from maskwright.inference.resolution import decide

EIGHT = np.ones((3, 3), int)


def trim(text):
    return "\n".join(line.strip() for line in text.strip().splitlines())


def random_map(seed, *, size_HW=(40, 50), num_classes=4, ignored=0.03):
    """Blobs of several classes and sizes, with some pixels without data."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(num_classes, *size_HW))
    logits_KHW = 4 * np.stack([ndimage.gaussian_filter(n, 1.0) for n in noise])
    decision = decide(Logits.of_image(logits_KHW.astype(np.float32), size_HW))
    return decision.leave_out(rng.random(size_HW) >= ignored)


def run(text, decision, num_classes=4):
    labels = LabelSpec.from_names(tuple("abcdefg"[:num_classes]))
    image = SourceImage(np.zeros((*decision.labels_HW.shape, 3), np.uint8))
    return Refinement.from_text(text, labels)(decision, image)


# ---- vote ----


def test_a_thing_of_a_family_gets_the_class_with_most_shares(draw, refine, show):
    decision = draw("""
        c c c c c c c
        c a a b c b c
        c a a b c b c
        c c c c c a c""")
    refined = refine("vote:classes=a+b", decision)
    assert show(refined) == trim("""
        c c c c c c c
        c a a a c b c
        c a a a c b c
        c c c c c b c""")
    # exp(0) / (exp(2) + 2), the share of a where the network gave its largest logit to b
    assert refined.confidence_HW[1, 3] == pytest.approx(0.10651, abs=1e-4)
    assert refined.confidence_HW[1, 1] == pytest.approx(0.78699, abs=1e-4)


def test_one_confident_pixel_outvotes_two_doubtful_ones(draw, refine, show):
    decision = draw("a a b", logit=np.array([[0.1, 0.1, 4.0]]))
    assert show(refine("vote:classes=a+b", decision)) == "b b b"


def test_things_that_touch_at_a_corner_are_one_and_ignore_parts_them(draw, refine, show):
    decision = draw(
        """
        a a c b . a a
        c c b b . c c""",
        logit=np.array([[3, 3, 1, 1, 1, 3, 3], [1, 1, 1, 1, 1, 1, 1.0]]),
    )
    assert show(refine("vote:classes=a+b", decision)) == trim("""
        a a c a . a a
        c c a a . c c""")


def test_a_vote_needs_its_family():
    with pytest.raises(ConfigError, match="'vote' needs the classes that it works on"):
        Refinement.from_text("vote", LabelSpec.from_names(("a", "b")))


# ---- components ----


def test_a_small_component_takes_the_best_class_of_its_neighbours(draw, refine, show):
    decision = draw("""
        a a a a b b
        a c a a b b
        a a a b c b
        a a a b b b""")
    assert show(refine("components:area=2px,classes=c", decision)) == trim("""
        a a a a b b
        a a a a b b
        a a a b b b
        a a a b b b""")
    assert show(refine("components:area=1 px,classes=c", decision)) == show(decision)


def test_neighbours_count_by_their_confidence(draw, refine, show):
    logit = np.array([[0.1, 0.1, 0.1, 5.0, 5.0]])
    assert show(refine("components:area=2 px,classes=c", draw("a a c b b", logit=logit))) == (
        "a a b b b"
    )


def test_a_component_between_removed_ones_waits_for_them(draw, refine, show):
    assert show(refine("components:area=3 px", draw("a a a b c"))) == "a a a a a"
    assert show(refine("components:area=9 px", draw("a a a b c"))) == "a a a b c"
    assert show(refine("components:area=3 px", draw("a a a . c"))) == "a a a . c"


def test_no_component_under_the_area_is_left_of_the_classes():
    decision = random_map(0, ignored=0)
    refined = run("components:area=20 px", decision)
    for index in range(4):
        found, num = ndimage.label(refined.labels_HW == index, EIGHT)
        areas = ndimage.sum_labels(np.ones_like(found), found, range(1, num + 1))
        assert (areas >= 20).all()
    changed_HW = refined.labels_HW != decision.labels_HW
    assert 0.02 < changed_HW.mean() < 0.5


def test_what_is_removed_is_what_scipy_finds_small():
    decision = random_map(1)
    refined = run("components:area=15 px,classes=b", decision)
    found_HW, num = ndimage.label(decision.labels_HW == 1, EIGHT)
    areas_R = np.bincount(found_HW.ravel(), minlength=num + 1)
    small_HW = (areas_R < 15)[found_HW] & (found_HW > 0)
    np.testing.assert_array_equal(refined.labels_HW != decision.labels_HW, small_HW)


def test_an_area_in_mm2_needs_the_size_of_a_pixel(draw, refine, show):
    decision = draw("a a a c a")
    text = "components:area=0.5 mm2"
    assert show(refine(text, decision, spacing_mm_HW=(0.5, 0.5))) == "a a a a a"
    assert show(refine(text, decision, spacing_mm_HW=(1.0, 1.0))) == "a a a c a"
    with pytest.raises(DataError, match=r"a\.png: the refiner's area is 0\.5 mm2, and"):
        refine(text, decision)


@pytest.mark.parametrize("area", ["64", "64 m2", "-1 px", "px"])
def test_an_area_has_a_number_and_a_unit(area):
    with pytest.raises(ConfigError, match="area: Value error, expected an area such as '64"):
        Refinement.from_text(f"components:area={area}", LabelSpec.from_names(("a", "b")))


# ---- holes ----


def test_a_hole_is_filled_and_a_bay_is_not(draw, refine, show):
    decision = draw("""
        a a a a a a
        a b a a c a
        a c a a b a
        a a a a b a""")
    assert show(refine("holes:classes=a,area=2 px", decision)) == trim("""
        a a a a a a
        a a a a c a
        a a a a b a
        a a a a b a""")


def test_a_hole_with_a_pixel_without_data_or_over_the_area_stays(draw, refine, show):
    text = """
        a a a a a a a
        a . a b b b a
        a b a a a a a
        a a a a a a a"""
    assert show(refine("holes:classes=a,area=2 px", draw(text))) == trim(text)


def test_without_a_limit_holes_are_those_of_scipy():
    for seed in range(5):
        labels_HW = random_map(seed, ignored=0).labels_HW
        for index in range(4):
            inside_HW = labels_HW == index
            expected_HW = ndimage.binary_fill_holes(inside_HW) & ~inside_HW
            np.testing.assert_array_equal(find_holes(labels_HW, index, np.inf), expected_HW)


# ---- opening and closing ----


@pytest.mark.parametrize("radius_px", [1, 2, 4])
def test_opening_and_closing_are_those_of_scikit_image(radius_px):
    morphology = pytest.importorskip("skimage.morphology")
    disk = morphology.disk(radius_px)
    np.testing.assert_array_equal(draw_disk(radius_px), disk)
    for seed in range(3):
        decision = random_map(seed, ignored=0)
        inside_HW = decision.labels_HW == 1
        options = f"classes=b,radius_px={radius_px}"
        opened = run(f"morphology:operation=open,{options}", decision)
        expected_HW = morphology.opening(inside_HW.astype(np.uint8), disk) > 0
        np.testing.assert_array_equal(opened.labels_HW == 1, expected_HW)
        closed = run(f"morphology:operation=close,{options}", decision)
        expected_HW = morphology.closing(inside_HW.astype(np.uint8), disk) > 0
        np.testing.assert_array_equal(closed.labels_HW == 1, expected_HW)
        untouched_HW = ~expected_HW
        np.testing.assert_array_equal(
            closed.labels_HW[untouched_HW], decision.labels_HW[untouched_HW]
        )


def test_an_opened_pixel_takes_the_class_beside_it(draw, refine, show):
    decision = draw("""
        b b b a a
        b b b c c
        b b b a a
        c b c a a""")
    assert show(refine("morphology:classes=c", decision)) == trim("""
        b b b a a
        b b b a a
        b b b a a
        b b b a a""")


def test_a_class_that_fills_the_image_or_is_absent_is_left(draw, refine, show):
    for text in ("c c", "a b"):
        for operation in ("open", "close"):
            refined = refine(f"morphology:classes=c,operation={operation}", draw(text))
            assert show(refined) == text


def test_pixels_without_data_neither_erode_nor_are_closed(draw, refine, show):
    decision = draw("""
        a a b . b a a
        a a b . b a a
        a a b . b a a""")
    assert show(refine("morphology:classes=b", decision)) == show(decision)
    assert show(refine("morphology:operation=close,classes=b", decision)) == show(decision)


# ---- superpixels ----


def test_each_superpixel_of_scikit_image_has_its_most_frequent_class():
    segmentation = pytest.importorskip("skimage.segmentation")
    rng = np.random.default_rng(0)
    image_HWC = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    decision = random_map(3, size_HW=(40, 48), ignored=0)
    labels = LabelSpec.from_names(tuple("abcd"))
    refinement = Refinement.from_text("superpixels:side_px=8", labels)
    refined = refinement(decision, SourceImage(image_HWC))
    found_HW = segmentation.slic(
        image_HWC, n_segments=30, compactness=10, start_label=1, channel_axis=-1
    )
    assert found_HW.max() > 15
    for index in range(1, found_HW.max() + 1):
        inside_HW = found_HW == index
        major = np.bincount(decision.labels_HW[inside_HW]).argmax()
        assert (refined.labels_HW[inside_HW] == major).all()


def test_the_majority_of_superpixels_by_hand():
    labels_HW = np.array([[0, 1, 1, 2], [0, 0, IGNORE, 1]], np.uint8)
    superpixel_HW = np.array([[1, 1, 2, 2], [1, 1, 2, 2]])
    expected = [[0, 0, 1, 1], [0, 0, IGNORE, 1]]
    assert superpixels.take_majority(labels_HW, superpixel_HW).tolist() == expected


# ---- all ----


@pytest.mark.parametrize(
    "text", ["vote:classes=a+b", "components", "holes", "morphology:operation=close"]
)
def test_memory_does_not_grow_with_the_number_of_classes(text):
    rng = np.random.default_rng(0)
    size_HW, num_classes = (400, 400), 60
    logits_Khw = rng.normal(size=(num_classes, 20, 20)).astype(np.float32)
    decision = decide(Logits.of_image(logits_Khw, size_HW))
    labels = LabelSpec.from_names(tuple(map(str, range(num_classes))))
    refinement = Refinement.from_text(text.replace("a+b", "0+1"), labels)
    image = SourceImage(np.zeros((*size_HW, 3), np.uint8))
    tracemalloc.start()
    refinement(decision, image)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 * num_classes * size_HW[0] * size_HW[1]
