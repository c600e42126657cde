"""soup: the mean of weights of one architecture, with statistics of its own."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskwright.core.card import ArchSpec
from maskwright.core.checkpoint import Checkpoint, write_card
from maskwright.core.errors import BundleError, ConfigError
from maskwright.data.dataset import open_dataset
from maskwright.inference.predictor import open_model

torch = pytest.importorskip("torch")
from safetensors.torch import load_file, save_file  # noqa: E402

from maskwright.training.soup import Soup, make_soup  # noqa: E402

OLD = Path(__file__).parents[1] / "fixtures/written_by_0_1"


@pytest.fixture
def checkpoints(tmp_path):
    """The checkpoint of a run, and two with other weights; and their data."""
    source = Checkpoint.open((OLD / "run/best").resolve()).root
    shutil.copytree(OLD / "street", tmp_path / "street")
    rng = torch.Generator().manual_seed(0)
    for name, spread in (("a", 0.0), ("b", 0.01), ("bad", 3.0)):
        shutil.copytree(source, tmp_path / name)
        state = load_file(tmp_path / name / "weights.safetensors")
        moved = {
            key: value + spread * torch.randn(value.shape, generator=rng)
            if value.is_floating_point() and "running" not in key
            else value
            for key, value in state.items()
        }
        save_file(moved, tmp_path / name / "weights.safetensors")
    return tmp_path


def test_weights_are_averaged_and_statistics_measured_again(checkpoints):
    data = open_dataset(checkpoints / "street")
    soup = make_soup(f"{checkpoints}/a+{checkpoints}/b", data, checkpoints / "soup")
    a, b, mean = (
        load_file(checkpoints / name / "weights.safetensors") for name in ("a", "b", "soup")
    )
    (weight, *_) = (key for key in a if key.endswith("weight") and a[key].ndim == 4)
    torch.testing.assert_close(mean[weight], (a[weight] + b[weight]) / 2)
    running = [key for key in a if key.endswith("running_mean")]
    assert running
    assert any(not torch.allclose(mean[key], a[key], atol=1e-4) for key in running)
    model = open_model(checkpoints / "soup")
    assert model.card.temperature == 1
    assert len(model.card.provenance["soup"]["members"]) == 2
    assert model.label(np.zeros((24, 32, 3), np.uint8)).shape == (24, 32)
    assert set(soup.scores) == {*soup.members, "soup"}


def test_a_greedy_soup_leaves_out_what_lowers_the_score(checkpoints):
    data = open_dataset(checkpoints / "street")
    names = [checkpoints / name for name in ("bad", "a")]
    soup = make_soup(names, data, checkpoints / "soup", greedy=True)
    best = max(score for name, score in soup.scores.items() if name != "soup")
    assert soup.scores["soup"] >= best
    assert soup.scores[soup.members[0]] == best


def test_a_mean_that_is_worse_than_a_model_says_so():
    soup = Soup(root=Path("soup"), members=("a", "b"), scores={"a": 0.6, "b": 0.5, "soup": 0.4})
    assert soup.compare_with_best().startswith("the mean is worse than a alone: use that model")
    assert replace(soup, scores=soup.scores | {"soup": 0.6}).compare_with_best() is None


def test_other_architectures_and_a_single_model_are_refused(checkpoints):
    data = open_dataset(checkpoints / "street")
    card = Checkpoint.open(checkpoints / "b").card
    other = replace(card, arch=ArchSpec(name="fpn", encoder=card.arch.encoder))
    write_card(checkpoints / "b", other)
    message = rf"differ in their architecture \(name {card.arch.name} and fpn[,)]"
    with pytest.raises(ConfigError, match=message):
        make_soup([checkpoints / "a", checkpoints / "b"], data, checkpoints / "soup")
    with pytest.raises(ConfigError, match="expected two or more that differ"):
        make_soup([checkpoints / "a", checkpoints / "a"], data, checkpoints / "soup")
    with pytest.raises(BundleError, match="neither a run nor a checkpoint"):
        make_soup([checkpoints / "none", checkpoints / "a"], data, checkpoints / "soup")
    assert not (checkpoints / "soup").exists()
