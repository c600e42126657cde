"""What the page of the studio takes, in milliseconds of headless Chromium; for `studio.py`.

`studio_probes.js` measures in the page. A browser answers within a minute, and some measures
take longer: the page keeps their result until it is asked for.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.studio_polygons import read_rss_mb, write_polygons  # noqa: E402
from tests.browser import Browser, find_browser  # noqa: E402
from tests.studio.driving import SAVED, open_page, press  # noqa: E402
from tests.studio_pages import Studio  # noqa: E402

PROBES = Path(__file__).with_name("studio_probes.js").read_text()
NUM_MOVES = 400
NUM_STROKES = 40
NUM_OPENED = 6
SECONDS = 60
_REST_S = 4
"""Until the images beside the open one are fetched."""

_FIRST_S = 2
"""How long a person looks at the first image, at least."""

Rows = dict[str, float]
Probe = Callable[..., Any]


def measure_page(scenes: Path, root: Path) -> Rows:
    """Times in milliseconds, memory in MB, and ratios."""
    rows = measure_disk(root / "synced")
    with open_studio(scenes / "4k", root / "4k") as (studio, probe, browser):
        rows |= measure_opening(probe, browser, "4k", _FIRST_S)
        rows |= measure_moves(probe, browser)
        rows |= measure_steps(probe)
        rows |= measure_tools(probe)
        rows["rss_peak_mb"] = read_rss_mb(studio)
    with open_studio(scenes / "large", root / "large") as (studio, probe, browser):
        rows |= measure_opening(probe, browser, "large", _REST_S)
    return rows


@contextmanager
def open_studio(data: Path, root: Path) -> Iterator[tuple[Studio, Probe, Browser]]:
    """A studio on a folder with its page, and what calls the probes there."""
    studio = Studio(data)
    browser = Browser(find_browser(), root)
    try:
        open_page(browser, studio.link)
        browser.wait_for("document.body.dataset.ready > 0")
        browser.value(f"window.probes = {PROBES}, 0")

        def probe(name: str, **options: object) -> Any:
            browser.value(
                f"window.found = undefined, probes.{name}({json.dumps(options)})"
                ".then(found => { window.found = found; }, error => "
                "{ window.found = String(error.stack); }), 0"
            )
            browser.wait_for("window.found !== undefined", timeout_s=SECONDS + 120)
            found = browser.value("window.found")
            if isinstance(found, str):
                raise RuntimeError(found)  # noqa: TRY004 - that of the page
            return found

        yield studio, probe, browser
    finally:
        browser.close()
        studio.kill()
        shutil.rmtree(data / "studio")


def measure_opening(probe: Probe, browser: Browser, name: str, rest_s: float) -> Rows:
    """To a first paint, and until an image can be painted; fetched ahead or not.

    The first image after that with which the page was opened is the one that is fetched ahead.
    """
    time.sleep(rest_s)
    go_paint, go_ready = probe("open", act="PageDown")
    time.sleep(_REST_S)
    jump_paint, jump_ready = probe("open", act="last")
    time.sleep(1)
    browser.ask("HeapProfiler.collectGarbage")
    used = browser.ask("Runtime.getHeapUsage")
    return {
        f"{name}_go_paint": go_paint,
        f"{name}_go": go_ready,
        f"{name}_jump_paint": jump_paint,
        f"{name}_jump": jump_ready,
        f"{name}_mb": (used["usedSize"] + used["backingStorageSize"]) / 1e6,
    }


def measure_moves(probe: Probe, browser: Browser) -> Rows:
    """Of a stroke, of a long one, and of repainted discs."""
    browser.choose("#size", "200")
    press(browser, "1")
    ours = probe("move", moves=NUM_MOVES, across=0.48)
    theirs = probe("repaint", moves=NUM_MOVES)
    browser.wait_for(SAVED)
    undo_ms = probe("undo", times=6)
    press(browser, "2")
    steady = probe("paintLong", seconds=SECONDS)
    end = find_share(theirs[-10:], 0.5)
    return {
        "move_p50": find_share(ours, 0.5),
        "move_p95": find_share(ours, 0.95),
        "move_end": find_share(ours[-10:], 0.5),
        "repaint_50": find_share(theirs[45:55], 0.5),
        "repaint_end": end,
        "ratio": end / find_share(ours[-10:], 0.5),
        "undo": find_share(undo_ms, 0.5),
        "long_tasks": steady["tasks"],
        "first_move": steady["first"],
        "last_move": steady["last"],
    }


def measure_disk(file: Path) -> Rows:
    """Syncing as much as an edit writes."""
    synced_ms = []
    with file.open("wb") as writer:
        for _ in range(NUM_STROKES):
            writer.write(bytes(16_000))
            writer.flush()
            begun = time.perf_counter()
            os.fsync(writer.fileno())
            synced_ms.append(1000 * (time.perf_counter() - begun))
    return {
        "fsync_p50": find_share(synced_ms, 0.5),
        "fsync_p95": find_share(synced_ms, 0.95),
    }


def measure_steps(probe: Probe) -> Rows:
    """From lifting the pointer to "saved", and from image to image."""
    saved_ms = probe("acknowledge", strokes=NUM_STROKES)
    next_ms = []
    for number in range(NUM_OPENED):
        time.sleep(2)
        next_ms.append(probe("open", act="PageDown" if number % 2 else "PageUp")[1])
    return {
        "saved_p50": find_share(saved_ms, 0.5),
        "saved_p95": find_share(saved_ms, 0.95),
        "next": find_share(next_ms, 0.5),
        "next_max": max(next_ms),
    }


def measure_tools(probe: Probe) -> Rows:
    """Scissors and superpixels."""
    anchors_ms = probe("anchor", times=5)
    wire_ms = probe("move", moves=100, across=0.02, isDown=False)
    time.sleep(_REST_S)
    cells_ms = probe("openCells")
    hover_ms = probe("move", moves=100, across=0.2, isDown=False)
    paint_ms = probe("move", moves=100, across=0.2)
    return {
        "anchor": find_share(anchors_ms, 0.5),
        "wire": find_share(wire_ms, 0.5),
        "cells": cells_ms,
        "cell_hover": find_share(hover_ms, 0.5),
        "cell_hover_p95": find_share(hover_ms, 0.95),
        "cell_paint": find_share(paint_ms, 0.5),
        "cell_paint_p95": find_share(paint_ms, 0.95),
    }


def measure_pan(root: Path) -> Rows:
    """Times between frames while an image of 5,000 polygons is moved."""
    write_polygons(root / "one", num_images=1, num_polygons=5000)
    with open_studio(root / "one", root / "profile") as (_, probe, browser):
        press(browser, "+")
        press(browser, "+")
        time.sleep(3)
        probe("pan", frames=60)  # the tiles that come into view are fetched
        frames_ms = probe("pan", frames=120)
    return {"pan_p50": find_share(frames_ms, 0.5), "pan_p95": find_share(frames_ms, 0.95)}


def find_share(values: list[float], share: float) -> float:
    """The value below which a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
