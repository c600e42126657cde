"""How fast the page of the studio is, beside a canvas that repaints its stroke at each move.

    python benchmarks/studio.py benchmarks/studio.md

A headless Chromium opens images of 3840 x 2160 and of 10,000 x 10,000 pixels with labels. The
other canvas works as CVAT's brush does (`masksHandler.ts`): one disc for each move, all drawn
again with `xor`. Both run in the same page one after the other, so that the ratio holds on
other machines. With `--scenes FOLDER` the images are drawn once and kept there.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import cv2

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, find_browser  # noqa: E402
from tests.studio.driving import evaluate, open_page, press  # noqa: E402
from tests.studio_pages import Studio  # noqa: E402

from maskwright.data.synth.streets import write_street_scenes  # noqa: E402

SIZE_HW = (2160, 3840)
LARGE_HW = (10_000, 10_000)
NUM_SCENES = 5
NUM_MOVES = 400
NUM_STROKES = 40

PAINT = """(async () => {
  const stage = document.querySelector('#stage'), box = stage.getBoundingClientRect();
  const frames = [], plain = requestAnimationFrame;
  let inFrame = 0;
  window.requestAnimationFrame = (draw) => plain((time) => {
    const begun = performance.now(); draw(time); inFrame += performance.now() - begun; });
  let tasks = 0;
  const watch = new PerformanceObserver((list) => { tasks += list.getEntries().length; });
  watch.observe({entryTypes: ['longtask']});
  const send = (kind, x, y, buttons) => stage.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, bubbles: true, button: 0, buttons, clientX: box.x + x, clientY: box.y + y}));
  stage.setPointerCapture = () => {};
  const [w, h] = [box.width, box.height], at = (n) => [
    w * (0.5 + 0.4 * Math.sin(n / 40)), h * (0.5 + 0.15 * Math.sin(n / 13))];
  send('pointerdown', ...at(0), 1);
  for (let n = 1; n <= MOVES; n++) {
    inFrame = 0;
    const begun = performance.now();
    send('pointermove', ...at(n), 1);
    const painted = performance.now() - begun;
    await new Promise((done) => plain(() => plain(done)));
    frames.push(painted + inFrame);
  }
  send('pointerup', ...at(MOVES), 0);
  window.requestAnimationFrame = plain;
  await new Promise((done) => setTimeout(done, 1000));
  watch.disconnect();
  return {frames, tasks};
})()"""

REPAINT = """(async () => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 3840, height: 2160});
  const context = canvas.getContext('2d'), discs = [], frames = [];
  const plain = requestAnimationFrame;
  for (let n = 1; n <= MOVES; n++) {
    const begun = performance.now();
    discs.push([3840 * (0.5 + 0.4 * Math.sin(n / 40)), 2160 * (0.5 + 0.15 * Math.sin(n / 13))]);
    context.clearRect(0, 0, 3840, 2160);
    context.globalCompositeOperation = 'xor';
    for (const [x, y] of discs) {
      context.beginPath(); context.arc(x, y, 100, 0, 7); context.fill();
    }
    context.getImageData(0, 0, 1, 1);
    frames.push(performance.now() - begun);
    await new Promise((done) => plain(done));
  }
  return {frames, tasks: 0};
})()"""

UNDO = """(async () => {
  const labels = document.querySelector('#labels').getContext('2d');
  document.activeElement.blur();
  const times = [];
  for (const name of ['z', 'y', 'z', 'y', 'z', 'y']) {
    const begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent('keydown', {
      key: name, ctrlKey: true, bubbles: true}));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    labels.getImageData(0, 0, 1, 1);
    times.push(performance.now() - begun);
    await new Promise((done) => setTimeout(done, 400));
  }
  return times;
})()"""

ACKNOWLEDGE = """(async () => {
  const stage = document.querySelector('#stage'), box = stage.getBoundingClientRect();
  const saved = document.querySelector('#saved'), times = [];
  const send = (kind, x, y, buttons) => stage.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, bubbles: true, button: 0, buttons, clientX: box.x + x, clientY: box.y + y}));
  for (let n = 0; n < STROKES; n++) {
    const x = box.width * (0.3 + 0.4 * Math.random()), y = box.height * 0.5;
    send('pointerdown', x, y, 1);
    for (let move = 1; move <= 8; move++) {
      send('pointermove', x + 9 * move, y + 5 * Math.sin(n + move), 1);
      await new Promise(requestAnimationFrame);
    }
    send('pointerup', x + 72, y, 0);
    const begun = performance.now();
    while (saved.textContent === 'saved') await new Promise((done) => setTimeout(done, 0));
    while (saved.textContent !== 'saved') await new Promise((done) => setTimeout(done, 0));
    times.push(performance.now() - begun);
    await new Promise((done) => setTimeout(done, 150));
  }
  return times;
})()"""

OPEN = """(async () => {
  const draw = CanvasRenderingContext2D.prototype.drawImage, before = location.hash;
  let painted = 0;
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...at) {
    const number = location.hash.slice(1), isNew = location.hash !== before;
    if (isNew && !painted && image.src?.includes(`/items/${number}/picture/`)) {
      painted = performance.now();
    }
    return draw.call(this, image, ...at);
  };
  delete document.body.dataset.ready;
  const begun = performance.now();
  ACT;
  while (!document.body.dataset.ready) await new Promise((done) => setTimeout(done, 2));
  const ready = performance.now();
  CanvasRenderingContext2D.prototype.drawImage = draw;
  return [painted - begun, ready - begun];
})()"""
GO = (
    "document.body.dispatchEvent("
    "new KeyboardEvent('keydown', {key: 'PageDown', bubbles: true}))"
)
JUMP = "[...document.querySelectorAll('#list button')].at(-1).click()"

NEXT = """(async () => {
  const times = [];
  for (const name of ['PageDown', 'PageUp', 'PageDown', 'PageUp']) {
    await new Promise((done) => setTimeout(done, 1500));
    delete document.body.dataset.ready;
    const begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key: name, bubbles: true}));
    while (!document.body.dataset.ready) await new Promise((done) => setTimeout(done, 2));
    times.push(performance.now() - begun);
  }
  return times;
})()"""


HEAD = f"""# How fast the page of the studio is

`python benchmarks/studio.py benchmarks/studio.md`: headless Chromium without a GPU on two cores
of an AMD EPYC, images of 3840 x 2160 pixels with labels, a brush of 200 pixels, one stroke of
{NUM_MOVES} moves. The other canvas works as CVAT's brush does: one disc for each move, and all
discs drawn again with `xor` at each move; it runs in the same page.

| figure | studio | repainted discs |
|---|---|---|
"""

TAIL = """

Undo and redo wait for two frames of the screen (33 ms). "Jump" is an image that nobody has
opened and no page has fetched ahead: its labels are cut into tiles, its picture is decoded. A
first paint is the whole image at the least resolution. The ratios are of one run.
"""


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        scenes = options.scenes or root / "scenes"
        if not scenes.exists():
            draw_scenes(scenes)
        rows = measure(scenes, root)
    options.out.write_text(write_table(rows))


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


def measure(scenes: Path, root: Path) -> dict[str, float]:
    """Times in milliseconds, and ratios."""
    rows: dict[str, float] = {}
    for name in ("4k", "large"):
        studio = Studio(scenes / name)
        browser = Browser(find_browser(), root / name)
        try:
            open_page(browser, studio.link)
            browser.wait_for("document.body.dataset.ready > 0")
            rows |= measure_opening(browser, name)
            if name == "4k":
                rows |= measure_painting(browser)
        finally:
            browser.close()
            studio.kill()
            shutil.rmtree(scenes / name / "studio")
    return rows


def measure_opening(browser: Browser, name: str) -> dict[str, float]:
    """Milliseconds to a first paint and until an image can be painted; fetched ahead or not."""
    time.sleep(8)  # the images beside the first one are fetched
    go_paint, go_ready = evaluate(browser, OPEN.replace("ACT", GO))
    time.sleep(8)
    jump_paint, jump_ready = evaluate(browser, OPEN.replace("ACT", JUMP))
    browser.ask("HeapProfiler.collectGarbage")
    used = browser.ask("Runtime.getHeapUsage")
    return {
        f"{name}_go_paint": go_paint,
        f"{name}_go": go_ready,
        f"{name}_jump_paint": jump_paint,
        f"{name}_jump": jump_ready,
        f"{name}_mb": (used["usedSize"] + used["backingStorageSize"]) / 1e6,
    }


def measure_painting(browser: Browser) -> dict[str, float]:
    """Of moves, strokes and steps from image to image, and of repainted discs."""
    browser.choose("#size", "200")
    press(browser, "1")
    ours = evaluate(browser, PAINT.replace("MOVES", str(NUM_MOVES)))
    browser.wait_for("document.querySelector('#saved').textContent === 'saved'")
    undo_ms = evaluate(browser, UNDO)
    browser.choose("#size", "20")
    saved_ms = evaluate(browser, ACKNOWLEDGE.replace("STROKES", str(NUM_STROKES)))
    next_ms = evaluate(browser, NEXT)
    theirs = evaluate(browser, REPAINT.replace("MOVES", str(NUM_MOVES)))
    first, last = ours["frames"][50:150], ours["frames"][-100:]
    return {
        "move_p50": find_share(ours["frames"], 0.5),
        "move_p95": find_share(ours["frames"], 0.95),
        "growth": find_share(last, 0.5) / find_share(first, 0.5),
        "long_tasks": ours["tasks"],
        "repaint_50": find_share(theirs["frames"][45:55], 0.5),
        "repaint_end": find_share(theirs["frames"][-10:], 0.5),
        "ratio": find_share(theirs["frames"][-10:], 0.5) / find_share(last[-10:], 0.5),
        "undo": find_share(undo_ms, 0.5),
        "saved_p50": find_share(saved_ms, 0.5),
        "saved_p95": find_share(saved_ms, 0.95),
        "next": find_share(next_ms, 0.5),
    }


def find_share(values: list[float], share: float) -> float:
    """The value below which a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def write_table(rows: dict[str, float]) -> str:
    """The figures as Markdown."""
    repaint_50, repaint_end = rows["repaint_50"], rows["repaint_end"]
    end = repaint_end / rows["ratio"]
    figures = [
        (
            "move to pixels, main thread, p50 / p95",
            f"{rows['move_p50']:.1f} / {rows['move_p95']:.1f} ms",
            f"{repaint_50:.1f} ms at 50 moves",
        ),
        (
            "the last moves of the stroke",
            f"{end:.1f} ms",
            f"{repaint_end:.1f} ms, {rows['ratio']:.1f} times as long",
        ),
        (
            "growth from the first 100 moves to the last 100",
            f"{rows['growth']:.2f} times",
            f"{repaint_end / repaint_50:.1f} times from 50 to {NUM_MOVES} moves",
        ),
        ("tasks above 50 ms, until the stroke is saved", f"{rows['long_tasks']:.0f}", ""),
        ("undo and redo of the stroke", f"{rows['undo']:.0f} ms", ""),
        (
            f"pointer-up to saved, {NUM_STROKES} strokes, p50 / p95",
            f"{rows['saved_p50']:.0f} / {rows['saved_p95']:.0f} ms",
            f"{repaint_end / rows['saved_p50']:.2f} of it for one move at {NUM_MOVES} moves",
        ),
        ("next or previous image, until it can be painted", f"{rows['next']:.0f} ms", ""),
    ]
    for name, size in (("4k", "3840 x 2160"), ("large", "10,000 x 10,000")):
        for way, words in (("go", "fetched ahead"), ("jump", "jump")):
            figures.append(
                (
                    f"{size}, {words}: first paint / can be painted",
                    f"{rows[f'{name}_{way}_paint']:.0f} / {rows[f'{name}_{way}']:.0f} ms",
                    "",
                )
            )
        heap_mb = rows[f"{name}_mb"]
        figures.append((f"{size}: heap and buffers of the page", f"{heap_mb:.0f} MB", ""))
    lines = ["| " + " | ".join(row) + " |" for row in figures]
    return HEAD + "\n".join(lines) + TAIL


if __name__ == "__main__":
    main()
