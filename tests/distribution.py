"""Install the built wheel and sdist into clean environments and use them: `make dist`.

One environment for each of the supported Pythons that this machine has, without torch and
without any extra: the base installation checks, converts, scores, measures and predicts.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
OLD = ROOT / "tests/fixtures/written_by_0_1"
COMMANDS = (
    "--version",
    "check street",
    "convert street coco --to coco --verify",
    "predict run/bundle street/images -o out",
    "score out/classes street/masks --spec street/dataset.yaml -o report",
    "measure out/classes --spec street/dataset.yaml -o measured",
)


def main() -> int:
    """Test each file on each Python; 1 where a command failed or no Python was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a wheel or sdist")
    files = parser.parse_args().files
    found = {version: python for version in PYTHONS if (python := find_python(version))}
    for version in PYTHONS:
        if version not in found:
            print(f"Python {version}: not on this machine, not tested")
    failed = [
        f"Python {version}, {file.name}"
        for version, python in found.items()
        for file in files
        if not is_right(python, version, file)
    ]
    for text in failed:
        print(f"FAILED: {text}")
    return 1 if failed or not found else 0


def find_python(version: str) -> str | None:
    """The interpreter of `version` on the path, if it starts."""
    python = shutil.which(f"python{version}")
    if python is None:
        return None
    done = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    return python if version in done.stdout else None


def is_right(python: str, version: str, file: Path) -> bool:
    """Whether `file` installs into a new environment and all COMMANDS end with status 0."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for name in ("street", "run"):
            shutil.copytree(OLD / name, home / name)
        run([python, "-m", "venv", home / "env"], home)
        pip = [home / "env/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--constraint", ROOT / "constraints.txt", file.resolve()]
        if not run(pip, home):
            return False
        commands = [[home / "env/bin/maskwright", *text.split()] for text in COMMANDS]
        right = all(run(command, home) for command in commands)
        has_torch = run([home / "env/bin/python", "-c", "import torch"], home, is_shown=False)
    print(f"Python {version}, {file.name}: {'works' if right else 'does not work'}")
    return right and not has_torch


def run(command: list[str | Path], home: Path, *, is_shown: bool = True) -> bool:
    """Run `command` in `home`; whether it ended with 0, its output printed where it did not."""
    clean = {k: v for k, v in os.environ.items() if not re.match("PYTHON|VIRTUAL_ENV", k)}
    done = subprocess.run(
        list(map(str, command)),
        cwd=home,
        env=clean | {"XDG_STATE_HOME": str(home / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and is_shown:
        print(" ".join(map(str, command)), done.stdout, done.stderr, sep="\n", file=sys.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
