import pytest

from maskwright.core.errors import BundleError, DataError
from maskwright.core.versioned import Schema


def _renamed(document):
    return {"size_HW" if key == "size" else key: value for key, value in document.items()}


def _with_unit(document):
    return {**document, "unit": "px"}


SCHEMA = Schema(kind="sheet", version=3, upgrades={1: _renamed, 2: _with_unit}, unversioned=1)


def test_a_document_of_today_is_read_as_it_was_stamped():
    assert SCHEMA.stamp({"a": 1}) == {"schema_version": 3, "a": 1}
    assert SCHEMA.read(SCHEMA.stamp({"a": 1}), where="f") == {"a": 1}


def test_an_old_document_goes_through_every_upgrade_and_stays_unchanged_itself():
    old = {"schema_version": 1, "size": [2, 3]}
    expected = {"size_HW": [2, 3], "unit": "px"}
    assert SCHEMA.read(old, where="f") == expected
    assert SCHEMA.read({"size": [2, 3]}, where="f") == expected
    assert old == {"schema_version": 1, "size": [2, 3]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a.json: not a sheet; expected an object of keys"),
        ({"schema_version": 4}, "a.json: sheet of version 4, .* up to 3; update maskwright"),
        ({"schema_version": "3"}, "a.json: not a sheet .'schema_version' is '3'."),
        ({"schema_version": True}, "is True"),
        ({"schema_version": 0}, "is 0"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(document, message):
    with pytest.raises(DataError, match=message):
        SCHEMA.read(document, where="a.json")


def test_a_version_without_an_upgrade_is_refused_with_the_kinds_own_error():
    schema = Schema(kind="bundle", version=5, upgrades={4: dict}, error=BundleError)
    with pytest.raises(BundleError, match=r"bundle of version 2, .* reads from 3 on"):
        schema.read({"schema_version": 2}, where="b")
    with pytest.raises(BundleError, match="'schema_version' is None"):
        schema.read({}, where="b")


def test_a_file_that_people_write_has_its_version_under_a_key_of_its_own():
    schema = Schema(kind="recipe", version=1, unversioned=1, key="version")
    assert schema.stamp({"seed": 3}) == {"version": 1, "seed": 3}
    assert schema.read({"version": 1, "seed": 3}, where="r") == {"seed": 3}
    with pytest.raises(DataError, match=r"r: recipe of version 2, .* up to 1"):
        schema.read({"version": 2}, where="r")
