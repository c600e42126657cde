"""`maskwright models` as a user meets it."""

import json

import pytest

from maskwright.core import parts


@pytest.mark.slow
def test_models_lists_every_part_with_its_size_and_cost(run_verb):
    done = run_verb("models", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    found = {entry["name"]: entry for entry in document["models"]}
    assert sorted(found) == list(parts.names("maskwright.nn.archs"))
    assert document["size_HW"] == [512, 512]
    assert all(entry["num_parameters"] > 100_000 for entry in found.values())
    assert all(entry["flops"] > 1e9 for entry in found.values())
    assert all(entry["measured"] is None for entry in found.values())
    assert [name for name, entry in found.items() if not entry["good_for"]] == []
    # SegNet has 29.45 M parameters and 286 G operations at 640 x 360 (ENet's table 3)
    assert found["segnet"]["num_parameters"] == pytest.approx(29.45e6, rel=0.001)
    assert found["segnet"]["flops"] == pytest.approx(286e9 * 512 * 512 / (640 * 360), rel=0.01)
    assert "fpn" in done.stderr
