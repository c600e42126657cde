"""Classes of the left and the right, by their names."""

import pytest

from maskwright.data.classes.sides import find_sided_classes


@pytest.mark.parametrize(
    ("names", "sided"),
    [
        (["liver", "left_kidney", "right_kidney"], ["left_kidney", "right_kidney"]),
        (["lung_L", "lung_R", "heart"], ["lung_L", "lung_R"]),
        (["kidney left", "kidney right"], ["kidney left", "kidney right"]),
        (["KidneyLeft", "LungR", "LungL"], ["KidneyLeft", "LungR", "LungL"]),
        (["Left-Hippocampus", "ctx-lh-cuneus", "ctx-rh-cuneus"], ...),
        (["turn_left", "road"], ["turn_left"]),  # its mirror image is another sign
        (["class_l", "leftover", "brightness", "road"], []),
        (["l", "r", "x"], ["l", "r"]),
        (["road", "car"], []),
    ],
)
def test_words_of_a_side_are_found_and_parts_of_words_are_not(names, sided):
    assert list(find_sided_classes(names)) == (names if sided is ... else sided)
