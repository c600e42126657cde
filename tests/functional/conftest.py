"""The command line as a user meets it: a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def run_maskwright():
    """Run `maskwright ARGS...` and give back the finished process, whatever its exit code."""

    def run(*args, cwd=None, timeout_s=120):
        return subprocess.run(
            [sys.executable, "-m", "maskwright", *map(str, args)],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run
