"""Messages on unknown names end as sentences do."""

from maskwright.core.errors import UnknownNameError


def test_a_near_name_is_suggested_and_all_are_listed():
    assert str(UnknownNameError("class", "raod", ["sky", "road"])) == (
        "no class named 'raod'; did you mean 'road'? Known: sky, road."
    )


def test_without_a_near_name_all_are_listed():
    assert str(UnknownNameError("class", "zebra", ["sky", "road"])) == (
        "no class named 'zebra'. Known: sky, road."
    )
