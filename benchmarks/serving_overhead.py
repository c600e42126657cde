"""Measure what `maskwright serve` takes beside its engine: writes serving_overhead.md.

    python benchmarks/serving_overhead.py [--usual BUNDLE] [--seconds 6] [--keep FOLDER]

Four clients keep the server busy; the bare engine runs prepared input in a loop, before and
after it, with as many threads. With one thread of two cores, decoding and encoding have the
other core; with two, they take time from the engine.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

import serving
from maskwright.core.bundle import open_bundle

NOTE = (
    "`benchmarks/serving_overhead.py`: PNG in, run lengths and a row per image out, 4 clients",
    "on the same two cores of an AMD EPYC. The bare engine runs prepared input with as many",
    "threads, before and after the server; overhead is how much longer the server takes per",
    "image. CPU is in ms per image: of the bare engine, and of all processes of the server",
    "beyond it.",
)
NOTES = "\n## Notes\n"
"""What stands below is written by hand, and stays."""

HEAD = (
    "| model | size | threads | engine/s | server/s | overhead | engine CPU | more CPU "
    "| p50 ms |"
)


def measure(bundle, size_HW, threads, seconds):
    """Images per second and CPU in ms of the engine and of the server, and the median in ms."""
    command = [sys.executable, "-m", "maskwright", "serve", str(bundle.root), "--quiet"]
    command += ["--warm", "{}x{}".format(*size_HW), "--port", str(serving.PORT)]
    command += ["--threads", str(threads), "--drain", "0", "--engine", "onnxruntime"]
    body = cv2.imencode(".png", serving.draw_image(size_HW))[1].tobytes()
    path = "/v1/predict?format=json"
    before = serving.measure_engine(bundle, size_HW, seconds / 2, threads)
    server = subprocess.Popen(command, start_new_session=True)
    try:
        serving.wait_for(server, path, body)
        rate, cpu_ms, times_ms = serving.measure_server(server, path, body, seconds)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    after = serving.measure_engine(bundle, size_HW, seconds / 2, threads)
    engine_rate, engine_ms = ((a + b) / 2 for a, b in zip(before, after, strict=True))
    return (
        engine_rate,
        rate,
        engine_ms,
        cpu_ms - engine_ms,
        sorted(times_ms)[len(times_ms) // 2],
    )


def describe(bundle, size_HW, threads, found):
    """A row of the table."""
    engine, rate, engine_ms, more_ms, p50_ms = found
    arch = bundle.card.arch
    name = arch.name if arch.encoder == "own" else f"{arch.name}, {arch.encoder}"
    size, overhead = "{} x {}".format(*size_HW), 100 * (engine / rate - 1)
    rates = f"{engine:.1f} | {rate:.1f} | {overhead:.0f} %"
    times = f"{engine_ms:.1f} | {more_ms:.1f} | {p50_ms:.0f}"
    return f"| {name} | {size} | {threads} | {rates} | {times} |"


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--usual", type=Path, help="Bundle of a usual model")
    parser.add_argument("--keep", type=Path, help="folder for the Bundle, used again")
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args()
    lines = ["# The server beside its engine", "", *NOTE, "", HEAD, "|---" * 9 + "|"]
    with tempfile.TemporaryDirectory() as temporary:
        light = serving.open_or_make(options.keep or Path(temporary))
        cases = [(light, size_HW) for size_HW in serving.SIZES]
        if options.usual is not None:
            cases.append((open_bundle(options.usual), serving.SIZES[0]))
        for bundle, size_HW in cases:
            for threads in (1, 2):
                found = measure(bundle, size_HW, threads, options.seconds)
                lines.append(describe(bundle, size_HW, threads, found))
                print(lines[-1], flush=True)
    page = serving.HERE / "serving_overhead.md"
    _, mark, notes = page.read_text().partition(NOTES)
    page.write_text("\n".join(lines) + "\n" + mark + notes)


if __name__ == "__main__":
    main()
