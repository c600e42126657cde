"""The command line as a user meets it: in its own process, in ours, or where pip put it."""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from importlib.metadata import distribution, requires
from pathlib import Path
from unittest.mock import patch

import pytest
from tutorials import run_line

from maskwright.cli.main import main

ROOT = Path(__file__).parents[2]
QUICK = ("model.encoder_weights=none", "schedule.epochs=2", "data.crop_px=[64, 64]")


def _process(command, cwd, **environment):
    """One thread: on images this small, threads cost more than they bring."""
    environment |= {"OMP_NUM_THREADS": "1"}
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="session")
def run_maskwright():
    """Run `maskwright ARGS...` and give back the finished process, whatever its exit code."""

    def run(*args, cwd=None):
        return _process(["-m", "maskwright", *args], cwd, PYTHONPATH=str(ROOT / "src"))

    return run


@pytest.fixture(scope="session")
def run_verb():
    """As `run_maskwright`, in this process: nothing is imported anew."""

    def run(*args, cwd="."):
        command = ["maskwright", *map(str, args)]
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            patch.object(sys, "argv", command),
            _signals_restored(),
        ):
            status = _run_main()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, status, out.read(), err.read())

    return run


def _run_main():
    try:
        main()
    except SystemExit as end:
        return end.code or 0
    return 0


@contextlib.contextmanager
def _signals_restored():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def package_copy(tmp_path):
    """A copy of the package: a function that adds a part, and one that runs its commands."""
    root = tmp_path / "copy"
    shutil.copytree(ROOT / "src", root, ignore=shutil.ignore_patterns("__pycache__"))

    def add_part(path, text):
        (root / "maskwright" / path).write_text(text)

    def run(*args, cwd=None):
        return _process(["-m", "maskwright", *args], cwd, PYTHONPATH=str(root))

    return add_part, run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """What `pip install maskwright` would download."""
    out = tmp_path_factory.mktemp("wheel")
    built = _process(["-m", "hatchling", "build", "-t", "wheel", "-d", out], ROOT)
    assert built.returncode == 0, built.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def run_plain_python(wheel, tmp_path_factory):
    """Run Python with what `pip install maskwright` installs: no extra, so no torch.

    No network is used: the wheel's requirements are followed through the metadata of the
    packages installed here, and those packages, and no others, are linked into a folder.
    """
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        metadata = next(n for n in archive.namelist() if n.endswith("/METADATA"))
        text = archive.read(metadata).decode()
    for name in _needed(re.findall(r"^Requires-Dist: (.+)$", text, re.MULTILINE), set()):
        _link(name, site)

    def run(*args, cwd=None):
        return _process(["-S", *args], cwd, PYTHONPATH=str(site))

    return run


def _needed(requirements, found):
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requirements or ()):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
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


@pytest.fixture(scope="session")
def walked(run_maskwright, tmp_path_factory):
    """The README's five lines, run on a tiny dataset with a short training; the folder."""
    from maskwright.data.synth.streets import write_street_scenes

    home = tmp_path_factory.mktemp("readme")
    write_street_scenes(home / "made", num_images=16, size_HW=(64, 96), seed=0)
    for kind, folder in (("images", "my-data/images"), ("masks", "my-data/masks")):
        (home / folder).mkdir(parents=True)
        for file in (home / "made" / kind).rglob("*.*"):
            shutil.copy(file, home / folder / file.name)
    shutil.copy(home / "made/dataset.yaml", home / "my-data")
    shutil.copytree(home / "my-data/images", home / "photos")
    for line in five_lines():
        command = shlex.split(line)[1:]
        if command[0] == "train":
            command += [word for setting in QUICK for word in ("--set", setting)]
        done = run_maskwright(*command, cwd=home)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return home


def five_lines():
    """The commands under the README's heading on your own data."""
    section = (ROOT / "README.md").read_text().split("in five lines\n")[1]
    return re.findall(r"^    (maskwright .+)$", section.split("\n## ")[0], re.MULTILINE)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A function: run a command in an empty folder, require its status, give what it prints."""
    monkeypatch.chdir(tmp_path)

    def run_and_require(line, *, status=0):
        ended, printed = run_line(line)
        assert ended == status, f"{line}\n{printed}"
        return printed

    return run_and_require
