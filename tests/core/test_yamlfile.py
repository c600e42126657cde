"""YAML of users: an empty file is empty, and what is no YAML is refused by name."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.strictmodel import StrictModel
from maskwright.core.yamlfile import (
    dump_yaml,
    find_line,
    name_line,
    parse_yaml,
    read_yaml,
    validate_yaml,
)


def test_documents_are_read_and_an_empty_file_is_an_empty_mapping(tmp_path):
    (tmp_path / "a.yaml").write_text("classes: [{name: road}]\n")
    (tmp_path / "b.yaml").write_text("# nothing\n")
    assert read_yaml(tmp_path / "a.yaml") == {"classes": [{"name": "road"}]}
    assert read_yaml(tmp_path / "b.yaml") == {}


@pytest.mark.parametrize(
    "content",
    [b"a: [", b"\xff\xfe\x00", b"[" * 100_000, b"!!python/x {}", b"a: 1\n---\nb: 2"],
)
def test_what_is_not_yaml_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.yaml: not valid YAML"):
        read_yaml(tmp_path / "a.yaml")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml: cannot be read: no such file"):
        read_yaml(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("-3", -3),
        ("0x1F", 31),
        ("3e-4", 3e-4),
        (".5", 0.5),
        ("1.", 1.0),
        ("true", True),
        ("~", None),
        ("2020-13-45", "2020-13-45"),
        ("'010'", "010"),
        ('"no"', "no"),
        ("nan", "nan"),
        ("12e", "12e"),
    ],
)
def test_a_plain_value_has_one_meaning(text, value):
    got = parse_yaml(f"a: {text}", where="w")["a"]
    assert (type(got), got) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1:30", "one number or another; write a plain number, or '1:30' in quotes"),
        ("010", "one number or another"),
        ("1_000", "one number or another"),
        ("0o17", "one number or another"),
        ("no", "also reads as true or false; write true or false, or 'no' in quotes"),
        ("Yes", "also reads as true or false"),
        (".inf", "not a finite number"),
        ("-.NaN", "not a finite number"),
        ("1e999", "not a finite number"),
        ("1" * 30, "a number of 30 digits"),
    ],
)
def test_a_value_with_two_meanings_is_refused_with_its_line(text, why):
    with pytest.raises(ConfigError, match=rf"w: line 2 has .*{why}"):
        parse_yaml(f"a: 1\nb: [{text}]", where="w")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x 1\nb: *x", r"line 1 has a reference \(&x or \*x\)"),
        ("a: *x", r"line 1 has a reference"),
        ("a: {b: 1}\n<<: {c: 2}", "line 2 has a merge key, <<"),
        ("a: 1\na: 2", "line 2 has the key 'a' a second time"),
        ("? [1]\n: 2", "line 1 has a key that is a collection"),
    ],
)
def test_references_merges_and_repeated_keys_are_refused(text, why):
    with pytest.raises(ConfigError, match=f"w: not valid YAML: {why}"):
        parse_yaml(text, where="w")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("version: 1" + ":59" * 200_000, ConfigError),
        ("a: &a {k: v}\n" + "b: {<<: [*a, *a]}\n" * 9, ConfigError),
        ("k" * 10_000_000 + ": 1", DataError),
        ("- 1\n" * 300_000, DataError),
        ("[" * 500_000, ConfigError),
    ],
    ids=["sexagesimal", "merges", "key", "lines", "nested"],
)
def test_a_hostile_document_is_refused_at_once_in_one_short_line(tmp_path, text, error):
    (tmp_path / "a.yaml").write_text(text)
    started_s = time.thread_time()
    with pytest.raises(error) as info:
        read_yaml(tmp_path / "a.yaml")
    assert time.thread_time() - started_s < 10
    assert len(str(info.value)) < 500
    assert "\n" not in str(info.value)


_TEXTS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[-+.0-9_:exobinfaINFA]{1,8}", fullmatch=True),
    st.sampled_from(
        ["no", "Yes", "null", "~", "<<", "1e5", "010", "0x1F", ".nan", "a: b", "#"]
    ),
)


@given(value=st.lists(_TEXTS, max_size=4), flow=st.booleans())
def test_every_text_that_is_written_is_read_back(value, flow):
    document = {"names": value, "last": 3e-05}
    text = dump_yaml(document, flow=flow, readable=False)
    assert parse_yaml(text, where="w") == document


class Wheel(StrictModel):
    size_mm: float


class Axle(StrictModel):
    name: str
    wheels: tuple[Wheel, ...] = ()


class Cart(StrictModel):
    front: Axle | None = None
    axles: list[Axle] | None = None


NESTED = """\
front:
  name: steering
axles:
  - name: rear
    wheels:
      - {size_mm: 20}
      - size_mm: 20
        sise_mm: 21
"""


def test_an_unknown_key_deep_inside_names_file_line_key_and_the_nearest(tmp_path):
    path = tmp_path / "cart.yaml"
    path.write_text(NESTED)
    with pytest.raises(ConfigError) as refusal:
        validate_yaml(read_yaml(path), Cart, path=path)
    assert str(refusal.value) == (
        f"{path}: line 8: unknown key 'axles.0.wheels.1.sise_mm'; did you mean 'size_mm'? "
        f"Known: size_mm."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("front:\n  nmae: a", "line 2: unknown key 'front.nmae'; did you mean 'name'? Known: "),
        ("axles:\n  - wheels: []", "line 2: the key 'axles.0.name' is missing"),
        ("front:\n  name: 5", "line 2: front.name: expected a text, got 5; put it in quotes"),
        ("frnt: {}\nfront:\n  name: 5", "line 1: unknown key 'frnt'"),
        (
            "axles:\n\n  - name: a\n    wheels: [{size_mm: big}]",
            "line 4: axles.0.wheels.0.size",
        ),
    ],
)
def test_a_wrong_value_names_its_line_and_unknown_keys_come_first(tmp_path, text, message):
    path = tmp_path / "cart.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        validate_yaml(read_yaml(path), Cart, path=path)
    assert str(refusal.value).startswith(f"{path}: {message}")


def test_the_line_of_a_key_that_is_not_there_is_that_of_what_holds_it(tmp_path):
    path = tmp_path / "cart.yaml"
    path.write_text(NESTED)
    assert find_line(path, ("axles", 0, "wheels", 1)) == 7
    assert find_line(path, ("axles", 0, "none", "deeper")) == 4
    assert find_line(tmp_path / "none.yaml", ("axles",)) == 1
    with (
        pytest.raises(ConfigError, match=r"cart\.yaml: line 3: too heavy"),
        name_line(path, ("axles",)),
    ):
        raise ConfigError("too heavy")
    with pytest.raises(ConfigError, match=r"^too heavy$"), name_line(None, ()):
        raise ConfigError("too heavy")
