"""`maskwright bench`: a model, or architectures before there is one."""

import json

import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import ConfigError, UnknownNameError
from maskwright.nn import catalogue


def run(*words):
    return CliRunner().invoke(app, ["bench", *words])


def test_architectures_are_measured_in_place_of_a_model(monkeypatch):
    cost = catalogue.ModelCost(device="cpu", latency_ms=7.0, cpu_ms=7.0, peak_memory_mb=12.0)
    monkeypatch.setattr(catalogue, "_measure_in_process", lambda *_: cost)
    done = run("--archs", "enet,segnet_basic", "--json")
    found = json.loads(done.stdout)["models"]
    assert [one["name"] for one in found] == ["enet", "segnet_basic"]
    assert found[0]["measured"]["latency_ms"] == 7


@pytest.mark.parametrize("words", [(), ("runs/a", "--archs", "enet")])
def test_either_a_model_or_architectures_are_measured(words):
    done = run(*words)
    assert isinstance(done.exception, ConfigError)
    assert "give MODEL, a Bundle or a run, or architectures by --archs" in str(done.exception)


def test_an_unknown_architecture_is_named():
    done = run("--archs", "enett")
    assert isinstance(done.exception, UnknownNameError)
    assert "enet" in str(done.exception)
