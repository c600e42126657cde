"""Classes merged, renamed, reordered and ignored; what a mapping forgets is refused."""

import numpy as np
import pytest

from maskwright.core.codec import LabelCodec
from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.data.classes.mapping import read_mapping

SPEC = LabelSpec.from_names(("road", "car", "truck", "void"))
TEXT = """\
classes:
  - {name: vehicle, from: [car, truck], kind: thing}
  - {name: road, color: [1, 2, 3]}
ignored: [void]
"""


def mapping_of(tmp_path, text):
    (tmp_path / "map.yaml").write_text(text)
    return read_mapping(tmp_path / "map.yaml", SPEC)


def test_classes_are_merged_reordered_and_ignored(tmp_path):
    mapping = mapping_of(tmp_path, TEXT)
    assert mapping.after.names == ("vehicle", "road")
    assert [c.kind for c in mapping.after] == ["thing", "stuff"]
    assert mapping.after.classes[0].color == SPEC.classes[1].color
    assert mapping.after.classes[1].color == (1, 2, 3)
    assert mapping.table[[0, 1, 2, 3, IGNORE]].tolist() == [1, 0, 0, IGNORE, IGNORE]


def test_the_codec_reads_the_same_files_as_the_new_classes(tmp_path):
    mapping = mapping_of(tmp_path, TEXT)
    raw_HW = np.array([[0, 1, 2, 3, 255]], np.uint8)
    old = LabelCodec.identity(SPEC)
    labels_HW = mapping.codec(old).decode(raw_HW, where="a")
    assert labels_HW.tolist() == [[1, 0, 0, IGNORE, IGNORE]]
    np.testing.assert_array_equal(labels_HW, mapping.table[old.decode(raw_HW, where="a")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("void", "viod"), "no class named 'viod'; did you mean 'void'"),
        (TEXT.replace("[void]", "[]"), "does not name 'void'"),
        (TEXT.replace("[void]", "[void, car]"), "names 'car' twice"),
        (TEXT.replace("name: road", "name: vehicle, from: [road]"), "repeated: vehicle"),
        ("classes: []", "classes: Tuple should have at least 1 item"),
        (
            "classes: [{name: a, fom: [b]}]",
            "line 1: unknown key 'classes.0.fom'; did you mean 'from'",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=rf"map\.yaml: .*{message}"):
        mapping_of(tmp_path, text)
