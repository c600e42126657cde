"""A GeoTIFF of 30,000 px in width: memory, and how long the network runs of the whole time.

    python benchmarks/raster.py [--height 30000]

Fast-SCNN, a light network that hides nothing else, after one epoch on drawn streets; the raster
repeats a drawn street with noise, in UTM, tiled and compressed. `predict` writes class map and
confidence in a process of its own, whose largest resident memory is taken. Memory depends on
the width of a raster and not on its height, so a strip (`--height 3000`) shows it too. Writes
`benchmarks/raster.md`.
"""

import argparse
import json
import math
import multiprocessing
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rasterio
from rasterio.transform import from_origin

from maskwright import train
from maskwright.core.memory import measure_peak
from maskwright.data.synth.streets import draw_street, write_street_scenes
from maskwright.inference.engine import Engine
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model

OUT = Path(__file__).with_name("raster.md")
WIDTH_PX, STREET_PX, BLOCK_PX = 30_000, 1000, 512
MOST_MIB, WANTED_SHARE = 1536, 0.85
SETTINGS = {"model.arch": "fastscnn"}
TRAINING = "## Check, plan and train on two rasters"
"""The head of what was measured by hand and stays on the page."""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--height", type=int, default=30_000)
    parser.add_argument("--bundle", type=Path, help="a model in place of a new one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = asked.bundle or make_bundle(folder)
        draw_raster(folder / "strip.tif", asked.height)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            result = pool.apply(
                measure, (bundle, folder / "strip.tif", folder / "out", asked.height)
            )
    print(json.dumps(result))
    _, mark, rest = OUT.read_text(encoding="utf-8").partition(TRAINING)
    OUT.write_text(render(result, asked.height) + f"\n{mark}{rest}", encoding="utf-8")


def make_bundle(folder: Path) -> Path:
    """A model, shortly trained."""
    data = write_street_scenes(folder / "streets", num_images=24)
    train(data, folder / "run", epochs=1, settings=SETTINGS)
    return folder / "run" / "bundle"


def draw_raster(path: Path, height: int) -> None:
    """Write the GeoTIFF, some rows at a time."""
    street_HW3, _ = draw_street((STREET_PX, STREET_PX), seed=0, number=3)
    row_CHW = np.tile(street_HW3, (1, WIDTH_PX // STREET_PX, 1)).transpose(2, 0, 1)
    rng = np.random.default_rng(0)
    layout = {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "zstd"}
    place = {"crs": "EPSG:32632", "transform": from_origin(5e5, 5e6, 0.1, 0.1)}
    size = {"width": WIDTH_PX, "height": height, "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **size, **layout, **place) as file:
        for top in range(0, height, STREET_PX):
            num = min(STREET_PX, height - top)
            noise = rng.integers(0, 8, (3, num, WIDTH_PX), np.uint8)
            rows_CHW = np.minimum(row_CHW[:, :num], 247) + noise
            window = rasterio.windows.Window(0, top, WIDTH_PX, num)
            file.write(rows_CHW.astype(np.uint8), window=window)


class Timed(Engine):
    """An engine whose time is taken."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.seconds = engine, 0.0
        self.name, self.max_batch, self.size_HW = engine.name, engine.max_batch, engine.size_HW

    def __call__(self, image_BCHW: np.ndarray) -> np.ndarray:
        """The logits of the engine."""
        begin = time.perf_counter()
        logits_BKhw = self.engine(image_BCHW)
        self.seconds += time.perf_counter() - begin
        return logits_BKhw


def measure(bundle: Path, raster: Path, out: Path, height: int) -> dict[str, Any]:
    """Predict the raster in this process."""
    model = open_model(bundle)
    engine = Timed(model.engine)
    base = psutil.Process().memory_info().rss / 2**20
    plan = model.tiling.plan(engine, model.card, (height, WIDTH_PX))
    if plan is None:
        raise ValueError("the raster is not cut")
    begin, processor = time.perf_counter(), time.process_time()
    with measure_peak() as peak:  # a peak of the process counts what its parent had too
        predict(replace(model, engine=engine), [raster], out, write=("classes", "confidence"))
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - processor,
        "engine": engine.seconds,
        "mib": base + (peak.num_bytes or 0) / 2**20,
        "base_mib": base,
        "cores": len(os.sched_getaffinity(0)),
        "plan": plan.to_json(),
        "scale": model.card.input.scale_ratio,
    }


def render(result: dict[str, Any], height: int) -> str:
    """The page."""
    share, num_mpx = result["engine"] / result["seconds"], WIDTH_PX * height / 1e6
    side, overlap = result["plan"]["tile"][0], result["plan"]["overlap"]
    num_tiles, num_cores = math.prod(result["plan"]["tiles"]), result["cores"]
    network_mpx = num_tiles * side**2 / 1e6
    return (
        f"# A raster of {WIDTH_PX:,} x {height:,} px\n\n"
        f"From `python benchmarks/raster.py --height {height}` on {platform.machine()}, "
        f"{num_cores} core{'s' if num_cores > 1 else ''} of an AMD EPYC that other work shared "
        f"too: Fast-SCNN, class map and confidence as GeoTIFF. The network sees the raster at "
        f"{result['scale']:g} times its size, in {num_tiles:,} tiles of {side} px that share "
        f"{overlap} px: {network_mpx:,.0f} megapixels.\n\n"
        f"| | measured | wanted |\n|---|---|---|\n"
        f"| largest resident memory, MiB | {result['mib']:.0f} ({result['base_mib']:.0f} "
        f"before the first pixel) | below {MOST_MIB} |\n"
        f"| the network runs, of the whole time | {share:.0%} | {WANTED_SHARE:.0%} |\n"
        f"| whole time, s | {result['seconds']:.0f} | |\n"
        f"| time of the processor, s | {result['processor']:.0f} | |\n"
        f"| megapixels of the raster per second of the processor | "
        f"{num_mpx / result['processor']:.2f} | |\n"
        f"| megapixels of the network per second of the processor | "
        f"{network_mpx / result['processor']:.1f} | |\n\n"
        f"The next tiles are read and the last band is decided, compressed and written "
        f"while the network runs; both share its cores, so its time holds some of theirs.\n"
    )


if __name__ == "__main__":
    main()
