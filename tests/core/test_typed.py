"""Objects made from documents hold what their classes state, or the field is named."""

import math

import pytest

from maskwright.core.card import ArchSpec
from maskwright.core.labels import ClassDef, LabelSpec
from maskwright.core.report import Estimate
from maskwright.core.typed import require_types

ROAD = ClassDef(name="road", color=(1, 2, 3))


def test_what_the_fields_state_is_accepted():
    require_types(LabelSpec((ROAD,)))
    require_types(ArchSpec(name="unet", encoder="resnet18", config={"depth": [3, None]}))
    require_types(Estimate(math.nan, 0, 1))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (
            LabelSpec((ClassDef(name="road", color=(1, 2, 0.5)),)),
            r"classes\.0\.color\.2 is 0\.5",
        ),
        (
            LabelSpec((ClassDef(name="road", color=(1, 2, True)),)),
            "color.2 is True, expected int",
        ),
        (
            LabelSpec((ClassDef(name="road", color=(1, 2, 3), kind="x"),)),
            r"kind is 'x', expected",
        ),
        (ArchSpec(name=5, encoder="none"), "name is 5, expected str"),
        (ArchSpec(name="unet", encoder="none", config={1: 2}), "config is 1, expected str"),
        (ArchSpec(name="unet", encoder="none", config=[1]), r"config is \[1\], expected"),
        (Estimate("0.5"), "value is '0.5', expected float"),
        (Estimate(math.inf), "value is inf, expected float"),
    ],
)
def test_another_type_is_refused_with_the_path_of_the_field(value, reason):
    with pytest.raises(TypeError, match=reason) as raised:
        require_types(value)
    assert len(str(raised.value)) < 200
