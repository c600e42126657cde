"""Every line of the tutorials runs, in its order, in an empty folder."""

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs/tutorials"


def run_lines(page, folder):
    """Write the Python blocks to the files that the text names, and run the indented lines."""
    text = page.read_text()
    for name, code in re.findall(
        r"Save this as `([\w.]+)`.*?^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE
    ):
        (folder / name).write_text(code)
    without_code = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for line in re.findall(r"^ {4}(\S.*)$", without_code, re.MULTILINE):
        words = shlex.split(line)
        start = [sys.executable] if words[0] == "python" else [sys.executable, "-m", words[0]]
        done = subprocess.run(
            [*start, *words[1:]], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.long
def test_the_tutorial_of_inspection_ends_with_verdicts(tmp_path):
    run_lines(TUTORIALS / "inspection.md", tmp_path)
    with (tmp_path / "out/verdicts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    right = [(row["verdict"] == "defect") == (int(row["image"][-2:]) % 2 == 1) for row in rows]
    assert sum(right) >= 50
    choice = json.loads((tmp_path / "bundle/decide.json").read_text())
    assert "5 % needs 59" in choice["notes"][0]
    assert (tmp_path / "out/cvat/annotations.xml").is_file()
