"""Tables of classes beside masks: by value, by colour, and what is not such a table."""

import numpy as np
import pytest

from maskwright.core.errors import ConfigError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.mask_folder import scan

IMAGE = np.zeros((1, 3, 3), np.uint8)
M = np.array([[0, 1, 2]], np.uint8)
COLORS = np.array([[[1, 2, 3], [4, 5, 6], [0, 0, 0]]], np.uint8)


def read(root):
    dataset = open_as_is(root)
    return [dataset.spec.names[index] for index in dataset.labels(0)[0].tolist()]


@pytest.mark.parametrize(
    ("table", "mask"),
    [
        ("Pixel Value, Class\n0, a\n1, b c\n2, d\n", M),
        ("\ufeffid;name\n", M),
        ("value,name\r\n2,d\r\n0,a\r\n1,b c\r\n", M),
        ("name,r,g,b\na,1,2,3\nb c,4,5,6\nd,0,0,0\n", COLORS),
        ("name, red, green, blue\na,1,2,3\nb c,4,5,6\nd,0,0,0\n", COLORS),
        ("name,r,g,b\na,1,2,3\nb c,4,5,6\nd,0,0,0\n", M),
    ],
)
def test_names_are_those_of_the_table(write, table, mask):
    root = write({"images/a.png": IMAGE, "masks/a.png": mask, "_classes.csv": table})
    expected = ["a", "b c", "d"]
    if ";" in table:  # not a table with commas: classes are inferred
        expected = ["class_0", "class_1", "class_2"]
    assert read(root) == expected


@pytest.mark.parametrize(
    "table", ["id,encoding\na,1 2\n", "name,age\nx,1\n", "", "name\na\n", "id,name\n"]
)
def test_other_tables_are_not_read(write, table):
    root = write({"images/a.png": IMAGE, "masks/a.png": M, "other.csv": table})
    assert scan(root, DatasetFile()).classes is None


def test_classes_of_dataset_yaml_come_before_a_table(write):
    text = "classes: [{name: x}, {name: y}, {name: z}]"
    files = {"dataset.yaml": text, "_classes.csv": "Pixel Value, Class\n0, a\n"}
    assert read(write({"images/a.png": IMAGE, "masks/a.png": M} | files)) == ["x", "y", "z"]


@pytest.mark.parametrize("row", ["road,300,0,0", "road,1,2", ",1,2,3", "road,x,2,3"])
def test_a_bad_row_is_named(write, row):
    table = f"name,r,g,b\nsky,0,0,0\n{row}\n"
    root = write({"images/a.png": IMAGE, "masks/a.png": M, "class_dict.csv": table})
    with pytest.raises(ConfigError, match=r"class_dict\.csv: line 3 is .*, expected a name"):
        scan(root, DatasetFile())
