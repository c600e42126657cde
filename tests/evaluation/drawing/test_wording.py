"""Every score has a name and a unit, also one that nobody listed."""

import pytest

from maskwright.evaluation.drawing.wording import sections, wording


@pytest.mark.parametrize(
    ("key", "name", "unit", "family"),
    [
        ("miou", "mIoU", "%", "Regions"),
        ("image_mean_miou", "mIoU", "%", "Regions"),
        ("mean_boundary_f1", "Mean boundary F1", "%", "Boundaries"),
        ("objects_missed", "Objects missed", "n", "Objects"),
        ("object_recall", "Objects found", "%", "Objects"),
        ("hd95_mm", "HD95", "mm", "Surfaces"),
        ("nll", "Negative log-likelihood", "", "Confidence"),
        ("a_new_score", "A new score", "%", "Regions"),
    ],
)
def test_words_of_a_score(key, name, unit, family):
    words = wording(key)
    assert (words.name, words.unit, words.family) == (name, unit, family)


def test_families_that_share_a_section_share_its_title_and_note():
    names = ["Regions", "Verdicts", "Patients", "Boundaries", "Objects", "Surfaces"]
    assert list(sections()) == [*names, "Confidence"]
    assert (
        sections()["Boundaries"] == "How well the outlines of classes are drawn, over the set."
    )
