import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as peer

from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.data.shapes.runs import decode_coco_text, decode_runs
from maskwright.serving.modelprocess.runs import encode_classes, require_order

SPEC = LabelSpec.from_names(("a", "b", "c"))
MAPS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 2, IGNORE]),
)


@given(MAPS)
def test_columns_are_the_counts_of_pycocotools(labels_HW):
    found = encode_classes(labels_HW, SPEC, "columns")
    expected = {
        name: peer.encode(np.asfortranarray(labels_HW == index, np.uint8))["counts"].decode()
        for index, name in enumerate(SPEC.names)
        if (labels_HW == index).any()
    }
    assert found == expected


@given(MAPS)
def test_rows_give_each_class_back(labels_HW):
    for name, text in encode_classes(labels_HW, SPEC, "rows").items():
        counts = decode_coco_text(text, where="x")
        inside_HW = decode_runs(counts, labels_HW.shape, where="x")
        assert (inside_HW == (labels_HW == SPEC.index(name))).all()


def test_a_map_by_hand():
    labels_HW = np.array([[0, 0, 1], [1, 1, 1]], np.uint8)
    found = encode_classes(labels_HW, SPEC, "rows")
    assert found == {"a": "024", "b": "24"}
    assert decode_coco_text("024", where="x").tolist() == [0, 2, 4]


def test_another_order_is_refused():
    with pytest.raises(ConfigError, match="order is 'x'; choose from columns, rows"):
        require_order("x")
