"""A model card survives JSON, and what an old one lacks has its old meaning."""

import json
import math
from dataclasses import replace

import pytest

from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.errors import BundleError, ConfigError
from maskwright.core.logits import LogitsGrid


def test_a_card_survives_json(painted_card):
    card = replace(painted_card(), temperature=1.75)
    assert ModelCard.from_json(card.to_json(), where="a") == card
    assert card.to_json()["temperature"] == 1.75


def test_a_card_without_a_temperature_leaves_the_logits_as_they_are(painted_card):
    document = painted_card().to_json()
    del document["temperature"]
    assert ModelCard.from_json(document, where="a").temperature == 1.0


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_a_temperature_that_cannot_divide_is_refused(painted_card, temperature):
    with pytest.raises(ConfigError, match=r"temperature .*: .* must be a number above 0"):
        replace(painted_card(), temperature=temperature)
    document = painted_card().to_json() | {"temperature": temperature}
    with pytest.raises(BundleError, match=r"a/card\.json: not a model card .*temperature"):
        ModelCard.from_json(document, where="a/card.json")


@pytest.mark.parametrize("temperature", ["hot", None, [1]])
def test_a_temperature_that_is_not_a_number_is_refused(painted_card, temperature):
    document = painted_card().to_json() | {"temperature": temperature}
    with pytest.raises(BundleError, match="a: not a model card"):
        ModelCard.from_json(document, where="a")


@pytest.mark.parametrize(("steps", "ratio"), [(0, 0.0), (900, 1.0)])
def test_a_card_of_eomt_with_a_number_of_annealing_steps_opens(steps, ratio):
    config = {"num_queries": 7, "annealing_steps": steps}
    document = {"name": "eomt", "encoder": "own", "config": config}
    assert ArchSpec.from_json(document).config == {"num_queries": 7, "annealing_ratio": ratio}
    assert ArchSpec.from_json(document | {"name": "fpn"}).config == config


def test_the_grid_of_logits_is_written_where_it_is_coarser_than_the_input(painted_card):
    card = painted_card()
    assert "logits" not in card.to_json()
    coarse = replace(card, logits=LogitsGrid(4, 32))
    assert coarse.to_json()["logits"] == {"stride": 4, "multiple": 32}
    assert ModelCard.from_json(json.loads(json.dumps(coarse.to_json())), where="a") == coarse
    assert coarse.logits.size((33, 64)) == (16, 16)
    wrong = coarse.to_json() | {"logits": {"stride": 5, "multiple": 32}}
    with pytest.raises(BundleError, match="the stride must be 1 or more and divide"):
        ModelCard.from_json(wrong, where="a")
