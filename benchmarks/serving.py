"""Measure `maskwright serve` beside LitServe and a plain FastAPI handler: writes serving.md.

    python benchmarks/serving.py [--peers-python VENV/bin/python] [--seconds 10] [--keep FOLDER]

Fast-SCNN with 19 classes and random weights, the same ONNX graph in all servers, PNG in and run
lengths out. Four clients send the next image when they have the answer of the one before. The
servers take turns in one run, each alone on the machine; the bare engine runs prepared input
in a loop. Peers are left out without an interpreter that has them.
"""

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from maskwright.core.bundle import open_bundle
from maskwright.core.memory import keep_freed_memory

HERE = Path(__file__).parent
NUM_CLIENTS = 4
SIZES = ((512, 512), (1024, 2048))
PORT = 8917
NOTE = (
    "`benchmarks/serving.py`: Fast-SCNN, 19 classes, the same ONNX graph in all, PNG in, run",
    f"lengths out, {NUM_CLIENTS} clients at once, two cores of an AMD EPYC. Ratios are to",
    "maskwright in the same run, CPU is that of all processes of a server per image; the bare",
    "engine runs prepared input, one after the other. maskwright writes its row per image.",
)
HEAD = "| size | server | images per second | ratio | CPU ms | p50 ms | p95 ms | p99 ms |"


def make_bundle(folder):
    """Fast-SCNN for 19 classes, exported with the logits of its head, as a training does."""
    from dataclasses import replace

    import torch
    from safetensors.torch import save_file

    from maskwright.core import InputSpec, LabelSpec
    from maskwright.core.card import ArchSpec, ModelCard
    from maskwright.export.bundle import export_bundle
    from maskwright.nn.build import build_model

    card = ModelCard(
        labels=LabelSpec.from_names([f"class {i}" for i in range(19)]),
        input=InputSpec(channels=3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        arch=ArchSpec(name="fastscnn", encoder="own"),
        provenance={"seed": 0},
    )
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    torch.manual_seed(0)
    network = build_model(card)
    card = replace(card, logits=network.head_grid)
    (checkpoint / "card.json").write_text(json.dumps(card.to_json()))
    save_file(network.state_dict(), checkpoint / "weights.safetensors")
    return export_bundle(checkpoint, [draw_image((128, 192))], folder / "bundle")


def draw_image(size_HW):
    """Smooth colours with some noise, which a PNG file packs as it packs a photograph."""
    rng = np.random.default_rng(0)
    coarse = (rng.random((8, 12, 3)) * 255).astype(np.uint8)
    smooth = cv2.resize(coarse, size_HW[::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.add(smooth, rng.integers(0, 6, smooth.shape, np.uint8))


def open_or_make(folder):
    """The Bundle in a folder, made where there is none."""
    folder.mkdir(exist_ok=True)
    kept = folder / "bundle"
    return open_bundle(kept) if kept.is_dir() else make_bundle(folder)


def measure_engine(bundle, size_HW, seconds, threads=None):
    """Images per second of the engine alone, on prepared input, and its CPU in ms per image."""
    from maskwright.inference.engine import EngineOptions
    from maskwright.inference.predictor import open_model
    from maskwright.inference.strategy import prepare_input

    keep_freed_memory()  # as all programs of maskwright do
    options = EngineOptions(threads=threads)
    model = open_model(bundle.root, engine="onnxruntime", options=options)
    x_BCHW = prepare_input(model.engine, model.card, draw_image(size_HW), where="x").x_CHW[None]
    model.engine(x_BCHW)
    began_s, began_cpu_s, num = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began_s < seconds:
        model.engine(x_BCHW)
        num += 1
    cpu_s = time.process_time() - began_cpu_s
    return num / (time.perf_counter() - began_s), 1000 * cpu_s / num


def start_server(name, bundle, python):
    """The process of a server, and its path and form of a request."""
    if name == "maskwright":
        warm = [word for h, w in SIZES for word in ("--warm", f"{h}x{w}")]
        command = [sys.executable, "-m", "maskwright", "serve", str(bundle.root), *warm]
        command += ["--port", str(PORT), "--drain", "0", "--quiet"]
        return subprocess.Popen(command, start_new_session=True), "/v1/predict?format=json"
    graph = str(bundle.file("model.onnx"))
    command = [python, str(HERE / "serving_peers.py"), name, graph, str(PORT)]
    return subprocess.Popen(command, start_new_session=True), "/predict"


def send(connection, path, body):
    """Post a form with one image, and read the answer."""
    boundary = "benchmark"
    head = 'Content-Disposition: form-data; name="image"; filename="a.png"'
    form = (
        f"--{boundary}\r\n{head}\r\n\r\n".encode() + body + f"\r\n--{boundary}--\r\n".encode()
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    connection.request("POST", path, form, kind)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(content[:500])


def wait_for(server, path, body):
    """Until the server answers an image."""
    while server.poll() is None:
        try:
            send(http.client.HTTPConnection("127.0.0.1", PORT, timeout=120), path, body)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("the server has ended")


def read_cpu_s(session):
    """Seconds of CPU of all processes of a session, as proc_pid_stat(5) has them."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def measure_server(server, path, body, seconds):
    """Images per second, CPU in ms per image, and the time of each answer in ms."""
    times_ms, ends_s = [], time.perf_counter() + seconds

    def run():
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
        while time.perf_counter() < ends_s:
            began_s = time.perf_counter()
            send(connection, path, body)
            times_ms.append(1000 * (time.perf_counter() - began_s))

    began_s, began_cpu_s = time.perf_counter(), read_cpu_s(server.pid)
    threads = [threading.Thread(target=run) for _ in range(NUM_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    num, cpu_s = len(times_ms), read_cpu_s(server.pid) - began_cpu_s
    return num / (time.perf_counter() - began_s), 1000 * cpu_s / num, times_ms


def measure(bundle, names, python, seconds):
    """The engine by size, and each server by name and size."""
    bodies = [cv2.imencode(".png", draw_image(size))[1].tobytes() for size in SIZES]
    engine = [measure_engine(bundle, size, seconds) for size in SIZES]
    found = {}
    for name in names:
        server, path = start_server(name, bundle, python)
        try:
            for index, body in enumerate(bodies):
                wait_for(server, path, body)
                found[name, index] = measure_server(server, path, body, seconds)
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # some wait for ever when asked to end
            server.wait()
    return engine, found


def write_page(engine, found, names):
    """Write the table."""
    lines = ["# Serving", "", *NOTE, "", HEAD, "|---|---|---|---|---|---|---|---|"]
    for index, (height, width) in enumerate(SIZES):
        own = found["maskwright", index][0]
        size = f"{height} x {width}"
        rate, cpu_ms = engine[index]
        alone = f"{rate:.1f} | {rate / own:.2f} | {cpu_ms:.0f}"
        lines.append(f"| {size} | bare engine | {alone} | | | |")
        for name in names:
            rate, cpu_ms, times_ms = found[name, index]
            shown = " | ".join(f"{np.percentile(times_ms, q):.0f}" for q in (50, 95, 99))
            speed = f"{rate:.1f} | {rate / own:.2f} | {cpu_ms:.0f}"
            lines.append(f"| {size} | {name} | {speed} | {shown} |")
    (HERE / "serving.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers-python")
    parser.add_argument("--keep", type=Path, help="folder for the Bundle, used again")
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    names = ["maskwright"] + (["litserve", "fastapi"] if options.peers_python else [])
    with tempfile.TemporaryDirectory() as temporary:
        bundle = open_or_make(options.keep or Path(temporary))
        engine, found = measure(bundle, names, options.peers_python, options.seconds)
    write_page(engine, found, names)


if __name__ == "__main__":
    main()
