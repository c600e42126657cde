"""XML of annotation tools is read one element at a time; hostile XML is refused."""

import pytest

from maskwright.core.errors import DataError
from maskwright.data.reading.xmlindex import iterate_elements


def test_xml_is_read_one_element_at_a_time(tmp_path):
    (tmp_path / "a.xml").write_text("<r><i n='1'><p/></i><x/><i n='2'/></r>")
    assert [
        p.attributes["n"] for p in iterate_elements(tmp_path / "a.xml", 2) if p.tag == "i"
    ] == [
        "1",
        "2",
    ]


BOMB = """<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><r><i>&b;</i></r>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "declares a document type"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>', "declares a document type"),
        ("<r><i></r>", "not valid XML"),
        ("", "not valid XML"),
        ("<r>" * 200, "nested more than 100 deep"),
    ],
)
def test_xml_that_is_wrong_or_hostile_is_refused(tmp_path, content, message):
    (tmp_path / "a.xml").write_text(content)
    with pytest.raises(DataError, match=rf"a\.xml: .*{message}"):
        list(iterate_elements(tmp_path / "a.xml", 2))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none: cannot be read: no such file"):
        list(iterate_elements(tmp_path / "none", 2))
