"""The table of Cityscapes."""

from maskwright.core.labels import IGNORE
from maskwright.data.layouts.cityscapes import ID_CODEC, LABELS, TRAINED, list_id_classes


def test_ids_and_train_ids_are_those_that_were_published():
    assert [label.id for label in LABELS] == [*range(34), -1]
    assert [label.train_id for label in TRAINED] == list(range(19))
    ids = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]
    assert [label.id for label in TRAINED] == ids


def test_every_id_in_masks_is_a_class_or_ignored():
    raws = [raw for entry in list_id_classes() for raw in entry.raw]
    assert sorted([*raws, *ID_CODEC.ignored]) == list(range(34))
    assert set(ID_CODEC.ignored) == {0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30}
    assert all(label.train_id == IGNORE for label in LABELS if label.id in ID_CODEC.ignored)
