"""Whether `train --budget` and `plan --budget` keep their time; for budget.md.

    python benchmarks/budget.py ../shared/data/cwfid ../shared/data/magnetic_tile
    python benchmarks/budget.py --budgets 120 ../shared/data/cwfid    # some of them

Each run is a process of its own, from random weights; the time is that of the whole command.
Rows are added to budget.jsonl, with the load of the machine (processes that want to run, of the
last minute) before and after, and budget.md shows all of them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "budget.jsonl"
BUDGETS_S = (90, 120, 300)
WITHIN = (0.92, 1.02)
"""Shares of its budget between which a run should end."""

INTRO = f"""# Time budgets

`python benchmarks/budget.py DATA...`: the time of the whole command as a share of `--budget`.
A run should end between {WITHIN[0]:.0%} and {WITHIN[1]:.0%}; a refusal names the smallest
budget that works. *Load* is the number of processes that want to run on the cores of the
machine, before and after. The first rows are of a machine on which other programs ran.

| data | command | budget | took | share | load | cores | end |
|---|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Run all commands and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS_S)
    parser.add_argument("--verbs", nargs="+", default=("plan", "train"))
    options = parser.parse_args()
    for data in options.data:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / data.name
            shutil.copytree(data, copy, copy_function=shutil.copyfile)
            for path in (copy, *copy.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            for verb in options.verbs:
                for budget_s in options.budgets:
                    row = measure(verb, copy, budget_s, Path(folder) / f"{verb}-{budget_s}")
                    print(row)
                    with RESULTS.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    write_table()


def measure(verb: str, data: Path, budget_s: int, out: Path) -> dict[str, object]:
    """Run one command and return its row."""
    before, started_s = os.getloadavg()[0], time.monotonic()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "maskwright", verb, str(data), "-o", str(out)),
            *("--set", "model.encoder_weights=none", "--budget", f"{budget_s}s"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    message = done.stderr.strip().splitlines()[-1:] or [""]
    return {
        "data": data.name,
        "verb": verb,
        "budget_s": budget_s,
        "took_s": round(time.monotonic() - started_s, 1),
        "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        "cores": os.cpu_count(),
        "end": "done" if done.returncode == 0 else message[0],
    }


def write_table() -> None:
    """Write budget.md from all rows."""
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    cells = (
        (
            *(r["data"], r["verb"], f"{r['budget_s']} s", f"{r['took_s']:.0f} s"),
            *(f"{r['took_s'] / r['budget_s']:.0%}", f"{r['load'][0]} to {r['load'][1]}"),
            *(str(r["cores"]), r["end"]),
        )
        for r in rows
    )
    lines = [f"| {' | '.join(row)} |" for row in cells]
    (HERE / "budget.md").write_text(INTRO + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
