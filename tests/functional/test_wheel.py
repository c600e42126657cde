"""What pip would install: the wheel alone, and on top of it only what it says it needs.

No network is used: the wheel's requirements are followed through the metadata of the packages
installed here, and those packages, and no others, are linked into an empty folder.
"""

import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def _needed(requirements, found):
    from packaging.requirements import Requirement

    for text in requirements or ():
        requirement = Requirement(text)
        marker = requirement.marker
        extras = requirement.extras or {""}
        if marker and not any(marker.evaluate({"extra": e}) for e in extras):
            continue
        if requirement.name not in found:
            found.add(requirement.name)
            _needed(requires(requirement.name), found)
    return found


def _link(name, site):
    for file in distribution(name).files:
        top = file.parts[0]
        if top != ".." and not (site / top).exists():
            (site / top).symlink_to(distribution(name).locate_file(top))


@pytest.fixture(scope="module")
def runtime(wheel, tmp_path_factory):
    """Run Python with the wheel and its plain requirements: no extra, no torch."""
    site = tmp_path_factory.mktemp("runtime")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        metadata = archive.read(next(n for n in archive.namelist() if n.endswith("METADATA")))
    plain = re.findall(r"^Requires-Dist: ([^;\n]+)$", metadata.decode(), re.MULTILINE)
    for name in _needed(plain, set()):
        _link(name, site)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(*args):
        return subprocess.run(
            [sys.executable, "-S", *map(str, args)],
            env=clean | {"PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_the_wheel_holds_every_module_and_part_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {n for n in archive.namelist() if ".dist-info/" not in n}
    source = ROOT / "src"
    written = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == written
    assert "maskwright/py.typed" in packed
    assert "maskwright/nn/archs/unet.py" in packed


def test_the_wheel_carries_the_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_a_plain_installation_has_no_torch(runtime):
    done = runtime("-c", "import torch")
    assert "No module named 'torch'" in done.stderr


def test_a_plain_installation_has_the_whole_command_line(runtime):
    done = runtime("-m", "maskwright", "--help")
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout
