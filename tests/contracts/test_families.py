"""Every file in metrics/families is a whole family: counts add up, each score has words."""

import numpy as np
import pytest

from maskwright.core import IGNORE, Confusion, parts
from maskwright.core.logits import Logits
from maskwright.evaluation.counting import Scoring
from maskwright.inference.resolution import decide
from maskwright.metrics.family import (
    FAMILIES,
    Family,
    ModelOutput,
    ScoreDetail,
    ScoredImage,
    all_families,
)
from maskwright.metrics.surface import Ruler

NUM_CLASSES = 3
EVERYTHING = ScoreDetail(full=True, ruler=Ruler(tolerance=2))


@pytest.fixture(params=parts.names(FAMILIES))
def family(request):
    return parts.load(FAMILIES, request.param, like=Family)


def painted(seed):
    """An image of blocks with IGNORE, whose logits mostly agree with the truth."""
    rng = np.random.default_rng(seed)
    truth_HW = rng.integers(0, NUM_CLASSES, (3, 4)).astype(np.uint8).repeat(6, 0).repeat(5, 1)
    logits_KHW = rng.normal(size=(NUM_CLASSES, *truth_HW.shape)).astype(np.float32)
    logits_KHW[truth_HW, *np.indices(truth_HW.shape)] += 2
    truth_HW[:2] = IGNORE
    decision = decide(Logits.of_image(logits_KHW, truth_HW.shape))
    return ScoredImage.from_labels(
        f"image{seed}",
        truth_HW,
        decision.labels_HW,
        NUM_CLASSES,
        model=ModelOutput(decision=decision, planes=lambda: iter(logits_KHW)),
    )


def all_counts(family, image):
    return {**family.count(image, EVERYTHING), **family.count_means([])}


def test_counts_of_every_image_have_the_same_names_and_shapes(family):
    one, other = (all_counts(family, painted(seed)) for seed in (0, 1))
    assert {n: a.shape for n, a in one.items()} == {n: a.shape for n, a in other.items()}


def test_scores_take_any_leading_axes(family):
    counts = all_counts(family, painted(0))
    of_two = {name: np.stack([array, array]) for name, array in counts.items()}
    one, two = family.scores(counts, EVERYTHING), family.scores(of_two, EVERYTHING)
    for name, value in one.overall.items():
        np.testing.assert_array_equal(two.overall[name], [value, value])
    for name, value_C in one.classes.items():
        assert value_C.shape == (NUM_CLASSES,)
        np.testing.assert_array_equal(two.classes[name], [value_C, value_C])


def test_every_score_has_words_and_every_word_a_score(family):
    scores = family.scores(all_counts(family, painted(0)), EVERYTHING)
    keys = {*scores.overall, *scores.classes, *scores.curves, *scores.class_curves}
    stems = {key.removesuffix("_px").removesuffix("_mm") for key in keys}
    assert stems == set(family.TEXTS)
    assert not family.MAIN or family.MAIN in scores.classes


def test_columns_of_images_csv_are_whole_numbers_per_class(family):
    counts = family.count(painted(0), EVERYTHING)
    for name in family.COLUMNS:
        assert counts[name].shape == (NUM_CLASSES,)
        np.testing.assert_array_equal(counts[name], counts[name].astype(np.int64))
    assert set(family.TRUTH_COUNTS) <= set(family.COLUMNS)
    assert set(family.SETTINGS) <= set(family.settings(EVERYTHING))


def test_what_is_compared_comes_from_the_columns_alone(family):
    counts = family.count(painted(0), EVERYTHING)
    score_columns = family.score_columns({name: counts[name] for name in family.COLUMNS})
    scores = family.scores(all_counts(family, painted(0)), EVERYTHING)
    for kind in ("overall", "classes"):
        for name, value in getattr(score_columns, kind).items():
            np.testing.assert_array_equal(value, getattr(scores, kind)[name])


def test_names_of_counts_scores_and_columns_are_unique_over_all_families():
    families = all_families().values()
    counts = [name for family in families for name in all_counts(family, painted(0))]
    texts = [key for family in families for key in family.TEXTS]
    columns = [column for family in families for column in family.COLUMNS.values()]
    for listed in (counts, texts, columns):
        assert len(set(listed)) == len(listed)


@pytest.mark.parametrize(
    ("detail", "has_logits", "expected"),
    [
        (ScoreDetail(), False, ["region", "per_image"]),
        (ScoreDetail(), True, ["region", "per_image", "calibration"]),
        (
            EVERYTHING,
            True,
            [name for name in all_families() if name not in {"verdicts", "patients"}],
        ),
    ],
)
def test_detail_chooses_the_families(detail, has_logits, expected):
    assert list(Scoring.from_detail(detail, has_logits=has_logits).families) == expected


def test_image_means_are_of_regions_and_boundaries_in_their_order():
    scoring = Scoring.from_detail(EVERYTHING, has_logits=True)
    names = list(scoring.count(painted(0)))
    means = [name.removeprefix("image_sum:") for name in names if name.startswith("image_sum:")]
    assert means[0] == "miou"
    assert "mean_boundary_f1" in means
    assert names.index("surface_hd") < names.index("image_sum:miou") < names.index("top_hits")


def test_the_confusion_checks_the_maps_before_anything_is_counted():
    image = painted(0)
    expected = Confusion.from_labels(image.truth_HW, image.predicted_HW, NUM_CLASSES)
    np.testing.assert_array_equal(image.confusion.counts_CC, expected.counts_CC)
