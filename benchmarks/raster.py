"""A GeoTIFF of 30,000 px in width: memory, and how long the network runs of the whole time.

    python benchmarks/raster.py [--height 3000]

Fast-SCNN, a light network that hides nothing else, after one epoch on drawn streets; the raster
repeats a drawn street with noise, in UTM, tiled and compressed. `predict` writes class map and
confidence in a process of its own, whose largest resident memory is taken. Memory depends on
the width of a raster and not on its height, so a strip shows it. Writes `benchmarks/raster.md`.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import from_origin

from maskwright import train
from maskwright.data.synth.streets import draw_street, write_street_scenes
from maskwright.inference.engine import Engine
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model

OUT = Path(__file__).with_name("raster.md")
WIDTH_PX, STREET_PX, BLOCK_PX = 30_000, 1000, 512
MOST_MIB, WANTED_SHARE = 1536, 0.85
SETTINGS = {"model.arch": "fastscnn"}


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--height", type=int, default=3000)
    parser.add_argument("--bundle", type=Path, help="a model in place of a new one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = asked.bundle or make_bundle(folder)
        draw_raster(folder / "strip.tif", asked.height)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            result = pool.apply(measure, (bundle, folder / "strip.tif", folder / "out"))
    print(json.dumps(result))
    OUT.write_text(render(result, asked.height), encoding="utf-8")


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


def measure(bundle: Path, raster: Path, out: Path) -> dict[str, Any]:
    """Predict the raster in this process."""
    model = open_model(bundle)
    engine = Timed(model.engine)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, processor = time.perf_counter(), time.process_time()
    predict(replace(model, engine=engine), [raster], out, write=("classes", "confidence"))
    return {
        "seconds": time.perf_counter() - begin,
        "processor": time.process_time() - processor,
        "engine": engine.seconds,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "base_mib": base / 1024,
        "bytes_per_px": model.tiling.bytes_per_px,
    }


def render(result: dict[str, Any], height: int) -> str:
    """The page."""
    share = result["engine"] / result["seconds"]
    return (
        f"# A raster of {WIDTH_PX:,} x {height:,} px\n\n"
        f"From `python benchmarks/raster.py` on {platform.machine()}, two cores of an AMD "
        f"EPYC: Fast-SCNN, class map and confidence as GeoTIFF.\n\n"
        f"| | measured | wanted |\n|---|---|---|\n"
        f"| largest resident memory, MiB | {result['mib']:.0f} ({result['base_mib']:.0f} "
        f"before the first pixel) | below {MOST_MIB} |\n"
        f"| the network runs, of the whole time | {share:.0%} | {WANTED_SHARE:.0%} |\n"
        f"| megapixels per second | {WIDTH_PX * height / 1e6 / result['seconds']:.2f} | |\n\n"
        f"The next tiles are read and the last band is decided, compressed and written "
        f"while the network runs; both share its cores, so its time holds some of theirs.\n"
    )


if __name__ == "__main__":
    main()
