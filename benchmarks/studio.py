"""How fast the studio is, beside a canvas that repaints its stroke at each move.

    python benchmarks/studio.py benchmarks/studio.md

A headless Chromium opens images of 3840 x 2160 and of 10,000 x 10,000 pixels with labels
(`studio_page.py`). The other canvas works as CVAT's brush does (`masksHandler.ts`): one disc
for each move, all drawn again with `xor`. Both run in the same page one after the other, so
that the ratio holds on other machines. Polygons are imported and exported by the command, which
is also installed into an empty environment (`studio_polygons.py`). With `--scenes FOLDER` the
images are drawn once and kept there; with `--rows FILE` what was measured is kept, and only
what the file lacks is measured.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.studio_page import (  # noqa: E402
    NUM_MOVES,
    NUM_STROKES,
    SECONDS,
    Rows,
    measure_page,
    measure_pan,
)
from benchmarks.studio_polygons import (  # noqa: E402
    measure_export,
    measure_import,
    measure_installation,
)

from maskwright.data.synth.streets import write_street_scenes  # noqa: E402

SIZE_HW = (2160, 3840)
LARGE_HW = (10_000, 10_000)
NUM_SCENES = 5

LARGE = "10,000 x 10,000 pixels"
FIGURES = (
    (
        "move to pixels, main thread, p50 / p95",
        "2 / 8 ms",
        "{move_p50:.1f} / {move_p95:.1f} ms",
    ),
    (
        f"a stroke of {SECONDS} s: tasks above 50 ms; growth of a move",
        "0; 10 %",
        "{long_tasks:.0f}; {growth_percent:.0f} %",
    ),
    (
        f"pointer-up to saved, {NUM_STROKES} strokes, p50 / p95",
        "- / 60 ms",
        "{saved_p50:.0f} / {saved_p95:.0f} ms",
    ),
    ("undo and redo of a stroke over the whole width", "50 ms", "{undo:.0f} ms"),
    (
        "open, not fetched ahead: first paint / can be painted",
        "300 / 600 ms",
        "{4k_jump_paint:.0f} / {4k_jump:.0f} ms",
    ),
    (
        f"open {LARGE}, not fetched ahead: first paint; heap and buffers of the page",
        "500 ms; 250 MB",
        "{large_jump_paint:.0f} ms; {large_mb:.0f} MB",
    ),
    (
        f"the same: can be painted; and of {LARGE} fetched ahead",
        "-",
        "{large_jump:.0f} ms; {large_go:.0f} ms",
    ),
    (
        "next or previous image, until it can be painted, p50 / most",
        "100 ms",
        "{next:.0f} / {next_max:.0f} ms",
    ),
    (
        "the first next image, 2 s after the page has opened, until it can be painted",
        "100 ms",
        "{4k_go:.0f} ms",
    ),
    ("5,000 polygons imported into a class map", "2 s", "{import_s:.1f} s"),
    (
        "then moved, between frames, p50 / p95",
        "16.7 ms",
        "{pan_p50:.1f} / {pan_p95:.1f} ms",
    ),
    (
        "superpixels coloured under the pen, p50 / p95",
        "- / 2 ms",
        "{cell_hover:.1f} / {cell_hover_p95:.1f} ms",
    ),
    (
        "superpixels coloured in a drag, p50 / p95",
        "- / 2 ms",
        "{cell_paint:.1f} / {cell_paint_p95:.1f} ms",
    ),
    (
        "superpixels shown after opening",
        "2 s",
        "{cells:.0f} ms",
    ),
    ("scissors: move / new anchor", "1 / 300 ms", "{wire:.1f} / {anchor:.0f} ms"),
    (
        "empty environment to the first stroke; of it, installation; memory of the server",
        "60 s; 300 MB",
        "{painted_s:.0f} s; {installed_s:.0f} s; {rss_mb:.0f} MB",
    ),
    ("12 images of 3,000 polygons exported, with the start", "10 s", "{export_s:.1f} s"),
)
"""What is measured, its target, and where its rows stand in the text."""

HEAD = """# How fast the studio is

`python benchmarks/studio.py benchmarks/studio.md`: headless Chromium without a GPU and the
server on two cores of an AMD EPYC. Images are 3840 x 2160 pixels with labels where nothing else
is said, the brush is 200 pixels wide. Times in the page are those of its Performance API.

| what | target | measured |
|---|---|---|
"""

TAIL = """
The other canvas works as CVAT's brush does: one disc for each move, and all discs drawn again
with `xor` at each move; it runs in the same page. At move {moves} it takes {repaint_end:.1f} ms
and the studio {move_end:.1f} ms, {ratio:.1f} times less; at move 50 {repaint_50:.1f} ms.

"Not fetched ahead" is an image that nobody has opened: its labels are cut into tiles, its
picture is decoded. A first paint is the whole image at the least resolution that fits. Undo
waits for two frames of the screen (33 ms). The long stroke has 120 moves a second; its growth
compares a move in its first {sixth} s and in its last {sixth} s. "Saved" is when the server has
synced the edit to the disk; the disk alone took {fsync_p50:.1f} ms (95 %: {fsync_p95:.1f} ms).
"""


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--rows", type=Path)
    options = parser.parse_args(arguments)
    rows: Rows = {}
    if options.rows and options.rows.exists():
        rows = json.loads(options.rows.read_text())
    with tempfile.TemporaryDirectory() as folder:
        scenes = options.scenes or Path(folder) / "scenes"
        for name, measure in list_measures(scenes):
            if name in rows:
                continue
            if not scenes.exists():
                draw_scenes(scenes)
            root = Path(folder) / name
            root.mkdir()
            rows |= measure(root)
            if options.rows:
                options.rows.write_text(json.dumps(rows, indent=1))
    options.out.write_text(write_table(rows))


def list_measures(scenes: Path) -> list[tuple[str, Callable[[Path], Rows]]]:
    """What is measured, each by a name that its rows have."""
    return [
        ("move_p50", lambda root: measure_page(scenes, root)),
        ("import_s", measure_import),
        ("pan_p50", measure_pan),
        ("export_s", measure_export),
        ("installed_s", measure_installation),
    ]


def draw_scenes(folder: Path) -> None:
    """Streets in both sizes; drawn smaller and enlarged, which takes less time."""
    for name, size_HW in (("4k", SIZE_HW), ("large", LARGE_HW)):
        write_street_scenes(folder / name, num_images=NUM_SCENES, size_HW=(1080, 1080))
        for path in folder.glob(f"{name}/*/*/*.png"):
            how = cv2.INTER_NEAREST if "masks" in path.parts else cv2.INTER_CUBIC
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            larger = cv2.resize(picture, size_HW[::-1], interpolation=how)
            if "masks" in path.parts:
                cv2.imwrite(str(path), larger)
            else:
                path.unlink()
                cv2.imwrite(str(path.with_suffix(".jpg")), larger)


def write_table(rows: Rows) -> str:
    """The figures as Markdown, those of `STUDIO.md` in its order."""
    growth_percent = 100 * (rows["last_move"] / rows["first_move"] - 1)
    known = {"growth_percent": growth_percent, **rows}
    lines = [
        f"| {what} | {target} | {text.format(**known)} |" for what, target, text in FIGURES
    ]
    tail = TAIL.format(moves=NUM_MOVES, sixth=SECONDS // 6, **rows)
    return HEAD + "\n".join(lines) + "\n" + tail


if __name__ == "__main__":
    main()
