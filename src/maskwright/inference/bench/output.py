"""The times of engines as a table of text, and as a folder with JSON, CSV and a picture."""

import csv
import io
import json
from dataclasses import asdict, fields
from pathlib import Path

from ...core.results import NEW, WriteMode, fill_folder
from ...pages.bars import draw_bars
from ...pages.text import format_number, text_table
from .bench import Bench, EngineTime

DOCUMENT = "bench.json"


def list_lines(bench: Bench) -> list[str]:
    """The table, the machine, and the engines that did not run."""
    heads = (
        *("engine", "precision", "threads", "p50 ms", "p95 ms", "images/s", "MB", "J/image"),
        f"x {bench.reference}",
    )
    rows = [
        (
            one.engine,
            one.precision,
            str(one.threads),
            format_number(one.ms_p50, 2),
            format_number(one.ms_p95, 2),
            format_number(one.images_per_s, 1),
            format_number(one.peak_memory_mb),
            format_number(one.joules_per_image, 2),
            format_number(one.times_reference, 2),
        )
        for one in bench.engines
    ]
    height, width = bench.size_HW
    return [
        *text_table(heads, rows, words=(0, 1)),
        "",
        f"batch {bench.batch} of {height} x {width}, the network alone; {bench.machine}",
        *(
            f"not run: {one.engine} {one.precision}, threads {one.threads}: {one.reason}"
            for one in bench.not_run
        ),
    ]


def write_bench(bench: Bench, out: Path, mode: WriteMode = NEW) -> None:
    """Write `bench.json`, `bench.csv` and `bench.svg` into the folder `out`.

    Raises:
        OutputError: `out` exists, or cannot be written.
    """
    rows = io.StringIO()
    table = csv.DictWriter(rows, [f.name for f in fields(EngineTime)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(one) for one in bench.engines)
    with fill_folder(out, "bench", mode, marker=DOCUMENT) as partial:
        texts = {
            "bench.csv": rows.getvalue(),
            "bench.svg": draw_times(bench),
            DOCUMENT: json.dumps(bench.to_json(), indent=1, allow_nan=False) + "\n",
        }
        for name, text in texts.items():
            (partial.folder / name).write_text(text, encoding="utf-8")


def draw_times(bench: Bench) -> str:
    """The median times as an SVG file of bars, with the ratio to the reference."""
    height, width = bench.size_HW
    rows = [
        (
            one.name,
            one.ms_p50,
            f"{format_number(one.ms_p50, 1)} ms"
            + (f" ({one.times_reference:.1f}x)" if one.times_reference else ""),
        )
        for one in bench.engines
    ]
    is_compared = any(one.times_reference for one in bench.engines)
    ratio = f" (x {bench.reference})" if is_compared else ""
    return draw_bars(f"ms for batch {bench.batch} of {height} x {width}{ratio}", rows)
