"""Names that were learnt are in no text; a block keeps them."""

import pytest

from maskwright.core import pseudonyms
from maskwright.core.errors import DataError
from maskwright.core.pseudonyms import hide, keeping_ids, learn, learn_key, spell


@pytest.fixture(autouse=True)
def _fresh():
    pseudonyms.forget()
    yield
    pseudonyms.forget()


def test_the_longest_name_is_hidden_wherever_it_stands():
    learn("4711", "aaaa")
    learn("DOE-4711", "bbbb")
    assert hide("x/DOE-4711.dcm: 4711") == "x/bbbb.dcm: aaaa"
    assert hide("nothing") == "nothing"
    assert str(DataError("DOE-4711: is bad")) == "bbbb: is bad"


def test_short_names_are_left_alone():
    learn("01", "aaaa")
    assert hide("slice 01") == "slice 01"


def test_keys_are_spelled_as_the_call_asks():
    learn_key("DOE_1", "aaaa_1")
    assert (spell("DOE_1"), spell("other")) == ("aaaa_1", "other")
    with keeping_ids():
        learn("DOE_2", "aaaa_2")
        learn_key("DOE_1", "aaaa_1")
        assert spell("aaaa_1") == "DOE_1"
    assert hide("DOE_2") == "DOE_2"
