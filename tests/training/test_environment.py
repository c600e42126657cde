"""`maskwright env` says what a report on a bug needs, with and without torch."""

import importlib.util

from maskwright.training import environment
from maskwright.training.environment import describe_environment, list_lines


def test_the_environment_names_versions_devices_extras_and_memory():
    found = describe_environment()
    assert found["torch"]["version"]
    assert found["cores"] >= 1
    assert set(found["extras"]["measure"]) == {"scikit-image", "scipy"}
    assert {"train", "weights", "heic"} <= set(found["extras"])
    text = "\n".join(list_lines(found))
    assert f"maskwright {found['maskwright']}, Python {found['python']}" in text
    assert "GB" in text


def test_without_torch_and_without_an_extra_the_lines_name_the_command_and_the_package():
    found = describe_environment() | {
        "torch": None,
        "free_memory_bytes": None,
        "extras": {"fast": {"numba": None}},
    }
    lines = list(list_lines(found))
    assert "torch      not installed: pip install 'maskwright[train]'" in lines
    assert "fast       missing: numba" in lines
    assert any("memory unknown" in line for line in lines)


def test_it_is_described_without_torch(monkeypatch):
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    assert importlib.util.find_spec("torch") is not None
    assert describe_environment()["torch"] is None
