"""A checkpoint opens with its card and weights, or says which file is missing."""

import json

import pytest

from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    find_checkpoint,
    link_checkpoint,
    write_card,
)
from maskwright.core.errors import BundleError


@pytest.fixture
def run(painted_card, tmp_path):
    for step in (1, 2):
        folder = tmp_path / "checkpoints" / f"step-{step}"
        folder.mkdir(parents=True)
        write_card(folder, painted_card(max_value=255 if step == 1 else 65535))
        (folder / "weights.safetensors").write_bytes(bytes(step))
        link_checkpoint(tmp_path, BEST if step == 1 else LAST, folder)
    return tmp_path


def test_a_run_is_opened_by_its_best_checkpoint(run, painted_card):
    assert find_checkpoint(run) == run / "best"
    assert find_checkpoint(run / "last") == run / "last"
    assert find_checkpoint(run / "checkpoints") is None
    checkpoint = Checkpoint.open(run / "best")
    assert checkpoint.card == painted_card()
    assert checkpoint.weights.read_bytes() == b"\0"
    assert checkpoint.model_id == "3e53ca59baf96ad1"


def test_a_link_is_moved_to_another_checkpoint(run):
    link_checkpoint(run, BEST, run / "checkpoints" / "step-2")
    assert Checkpoint.open(run / "best").card.input.max_value == 65535
    assert sorted(p.name for p in run.iterdir()) == ["best", "checkpoints", "last"]


def test_what_is_missing_is_named(run):
    (run / "best" / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match=r"weights\.safetensors: missing; train the model"):
        Checkpoint.open(run / "best")
    (run / "best" / "card.json").unlink()
    with pytest.raises(BundleError, match=r"card\.json: cannot be read: no such file"):
        Checkpoint.open(run / "best")


def test_an_architecture_of_before_has_revision_1(painted_card):
    document = json.loads(json.dumps(painted_card().to_json()))
    assert document["arch"] == {
        "name": "painted",
        "encoder": "none",
        "config": {},
        "revision": 1,
    }
    del document["arch"]["revision"]
    assert ModelCard.from_json(document, where="card") == painted_card()
    grouped = ArchSpec(name="unet", encoder="resnet18", norm="group", revision=3)
    assert ArchSpec.from_json(grouped.to_json()) == grouped
    assert grouped.code is None


def test_an_unknown_key_of_an_architecture_is_refused(painted_card):
    document = painted_card().to_json()
    document["arch"] |= {"depth": 3}
    with pytest.raises(BundleError, match=r"card: not a model card .*'depth'"):
        ModelCard.from_json(document, where="card")
