import hashlib

import numpy as np
import pytest

from maskwright.core import IGNORE
from maskwright.core.errors import ConfigError, OutputError
from maskwright.data.check.audit import audit
from maskwright.data.dataset import open_dataset
from maskwright.data.facts import measure_facts
from maskwright.data.synth.scene import SIGN, STREET
from maskwright.data.synth.streets import draw_street, write_street_scenes


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    return write_street_scenes(
        tmp_path_factory.mktemp("made") / "streets", num_images=24, size_HW=(64, 96), seed=1
    )


def digest(number, seed):
    image, labels = draw_street((48, 64), seed=seed, number=number)
    return hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()


def test_the_same_seed_draws_the_same_street():
    assert digest(3, seed=0) == digest(3, seed=0)
    assert len({digest(3, seed=0), digest(4, seed=0), digest(3, seed=1)}) == 3


def test_a_street_has_eight_classes_and_void_borders_between_them():
    image, labels = draw_street((96, 128), seed=0, number=0)
    assert image.shape == (96, 128, 3)
    assert len(STREET) == 10
    assert len(set(np.unique(labels)) - {IGNORE}) >= 8
    assert 0.01 < (labels == IGNORE).mean() < 0.15
    assert labels[-1, 64] == STREET.index("road")
    assert labels[0, 64] in {
        STREET.index("sky"),
        STREET.index("building"),
        STREET.index("tree"),
    }


def test_signs_are_rare_and_small_and_in_every_split(streets):
    dataset = open_dataset(streets)
    assert dataset.splits == {"test": 4, "train": 16, "val": 4}
    for split in dataset.splits:
        facts = measure_facts(dataset.subset(split))
        assert 0 < facts.class_share_C[SIGN] < 0.01
        assert 0 < (facts.counts_NC[:, SIGN] > 0).sum() < facts.num_images[split] / 2
        assert facts.object_area_px_C[SIGN] < 100


def test_the_light_changes(streets):
    dataset = open_dataset(streets)
    brightness = [dataset.image(i).mean() for i in range(len(dataset))]
    assert max(brightness) > 1.5 * min(brightness)


def test_check_finds_nothing_harmful(streets):
    found = audit(streets)
    assert not found.harmful, found.to_text()


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(OutputError, match="is not empty; choose a new folder"):
        write_street_scenes(tmp_path, num_images=3)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_too_little_to_show_a_street_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"got 3 images of \(8, 8\) \(H, W\); need at least 3"
    ):
        write_street_scenes(tmp_path / "a", num_images=3, size_HW=(8, 8))
