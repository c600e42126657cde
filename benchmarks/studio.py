"""How fast the page of the studio is, beside a canvas that repaints its stroke at each move.

    python benchmarks/studio.py benchmarks/studio.md

A headless Chromium opens an image of 3840 x 2160 pixels with labels. The other canvas works as
CVAT's brush does (`masksHandler.ts`): one disc for each move, all drawn again with `xor`. Both
run in the same page one after the other, so that the ratio holds on other machines.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, find_browser  # noqa: E402
from tests.studio.driving import evaluate, open_page, press  # noqa: E402
from tests.studio_pages import Studio  # noqa: E402

from maskwright.data.synth.streets import write_street_scenes  # noqa: E402

SIZE_HW = (2160, 3840)
NUM_MOVES = 400

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
of an AMD EPYC, an image of 3840 x 2160 pixels with labels, a brush of 200 pixels, one stroke of
{NUM_MOVES} moves. The other canvas works as CVAT's brush does: one disc for each move, and all
discs drawn again with `xor` at each move; it runs in the same page.

| figure | studio | repainted discs |
|---|---|---|
"""

TAIL = """

Undo and redo wait for two frames of the screen (33 ms). The ratios are of one run; the
milliseconds are those of a machine that had other work.
"""


def main(out: Path) -> None:
    """Measure, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_street_scenes(root / "street", num_images=3, size_HW=SIZE_HW)
        studio = Studio(root / "street")
        browser = Browser(find_browser(), root / "profile")
        try:
            rows = measure(browser, studio)
        finally:
            browser.close()
            studio.kill()
    out.write_text(write_table(rows))


def measure(browser: Browser, studio: Studio) -> dict[str, float]:
    """Times in milliseconds, and ratios."""
    open_page(browser, studio.link)
    browser.wait_for("document.body.dataset.ready > 0")
    browser.choose("#size", "200")
    press(browser, "1")
    ours = evaluate(browser, PAINT.replace("MOVES", str(NUM_MOVES)))
    browser.wait_for("document.querySelector('#saved').textContent === 'saved'")
    undo_ms = evaluate(browser, UNDO)
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
        "next": find_share(next_ms, 0.5),
    }


def find_share(values: list[float], share: float) -> float:
    """The value below which a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def write_table(rows: dict[str, float]) -> str:
    """The figures as Markdown."""
    repaint_50, repaint_end = rows["repaint_50"], rows["repaint_end"]
    figures = [
        (
            "move to pixels, main thread, p50 / p95",
            f"{rows['move_p50']:.1f} / {rows['move_p95']:.1f} ms",
            f"{repaint_50:.1f} ms at 50 moves",
        ),
        (
            "the last moves of the stroke",
            f"{repaint_end / rows['ratio']:.1f} ms",
            f"{repaint_end:.1f} ms, {rows['ratio']:.1f} times as long",
        ),
        (
            "growth from the first 100 moves to the last 100",
            f"{rows['growth']:.2f} times",
            f"{repaint_end / repaint_50:.1f} times from 50 to {NUM_MOVES} moves",
        ),
        ("tasks above 50 ms in the stroke", f"{rows['long_tasks']:.0f}", ""),
        ("undo and redo of the stroke", f"{rows['undo']:.0f} ms", ""),
        ("next or previous image, until it can be painted", f"{rows['next']:.0f} ms", ""),
    ]
    lines = ["| " + " | ".join(row) + " |" for row in figures]
    return HEAD + "\n".join(lines) + TAIL


if __name__ == "__main__":
    main(Path(sys.argv[1]))
