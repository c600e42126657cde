"""YAML of users: an empty file is empty, and what is no YAML is refused by name."""

import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.yamlfile import read_yaml


def test_documents_are_read_and_an_empty_file_is_an_empty_mapping(tmp_path):
    (tmp_path / "a.yaml").write_text("classes: [{name: road}]\n")
    (tmp_path / "b.yaml").write_text("# nothing\n")
    assert read_yaml(tmp_path / "a.yaml") == {"classes": [{"name": "road"}]}
    assert read_yaml(tmp_path / "b.yaml") == {}


@pytest.mark.parametrize(
    "content",
    [b"a: [", b"\xff\xfe\x00", b"[" * 100_000, b"!!python/x {}", b"day: 2020-13-45"],
)
def test_what_is_not_yaml_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.yaml: not valid YAML"):
        read_yaml(tmp_path / "a.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
