"""Polygons into the studio and out of it, and its installation; in seconds, for `studio.py`."""

import json
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, find_browser  # noqa: E402
from tests.studio.driving import SAVED, drag, open_page  # noqa: E402
from tests.studio_pages import Studio  # noqa: E402

from maskwright.studio.client import StudioClient  # noqa: E402
from maskwright.studio.importing import import_labels  # noqa: E402
from maskwright.studio.project import open_project  # noqa: E402

SIZE_HW = (2160, 3840)
CLASSES = tuple("abcdefgh")
CORNERS = 12


def write_polygons(folder: Path, *, num_images: int, num_polygons: int) -> None:
    """Images of 3840 x 2160 with polygons of some ten corners, in COCO's format."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, num_images + 1):
        name = f"{number:02d}.jpg"
        grey_HW = cv2.resize(rng.integers(0, 256, (27, 48)).astype(np.uint8), SIZE_HW[::-1])
        cv2.imwrite(str(folder / "images" / name), grey_HW)
        images.append({"id": number, "file_name": name, "height": 2160, "width": 3840})
        for _ in range(num_polygons):
            ring_N2 = draw_ring(rng)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1 + len(annotations) % len(CLASSES),
                    "segmentation": [ring_N2.ravel().round(1).tolist()],
                    "area": float(cv2.contourArea(ring_N2)),
                    "bbox": [*ring_N2.min(axis=0).tolist(), *np.ptp(ring_N2, axis=0).tolist()],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": index, "name": name} for index, name in enumerate(CLASSES, 1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(document))


def draw_ring(rng: np.random.Generator) -> np.ndarray:
    """The corners of one polygon, (N, 2) as x, y."""
    angles_N = np.sort(rng.uniform(0, 2 * np.pi, CORNERS))
    radii_N = rng.uniform(12, 30, CORNERS)
    spokes_N2 = radii_N[:, None] * np.stack([np.cos(angles_N), np.sin(angles_N)], axis=1)
    center_2 = rng.uniform((40, 40), (SIZE_HW[1] - 40, SIZE_HW[0] - 40))
    return (center_2 + spokes_N2).astype(np.float32)


def measure_import(root: Path) -> dict[str, float]:
    """Importing 5,000 polygons into the class map of an image that was opened."""
    write_polygons(root / "one", num_images=1, num_polygons=5000)
    with open_project(root / "one") as project:
        with project.store.read() as connection:
            (item,) = project.list_items(connection)
        project.open_item(item.id)
        begun = time.perf_counter()
        import_labels(project, root / "one")
        return {"import_s": time.perf_counter() - begun}


def measure_export(root: Path) -> dict[str, float]:
    """Exporting twelve images of 3,000 polygons each, with the start of the command."""
    write_polygons(root / "twelve", num_images=12, num_polygons=3000)
    studio = Studio(root / "twelve")
    try:
        client = StudioClient(studio.link)
        for item in client.list_items():
            with client.painting(item["id"]):
                client.take_step(item["id"], "submit")
            client.take_step(item["id"], "accept")
    finally:
        studio.kill()
    begun = time.perf_counter()
    run("studio", root / "twelve", "--export", "coco", "-o", root / "out")
    return {"export_s": time.perf_counter() - begun}


def measure_installation(root: Path) -> dict[str, float]:
    """From an empty environment to the first stroke that is saved; memory after it."""
    python = root / "venv/bin/python"
    (root / "photos").mkdir()
    grey_HW = np.full(SIZE_HW, 90, np.uint8)
    cv2.imwrite(str(root / "photos/a.jpg"), grey_HW)
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "venv", root / "venv"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", f"{ROOT}[studio]"]
    subprocess.run(install, check=True)
    installed_s = time.perf_counter() - begun
    studio = Studio(root / "photos", "--classes", "road,car", python=python)
    browser = Browser(find_browser(), root / "profile")
    try:
        open_page(browser, studio.link)
        drag(browser, (500, 500), (560, 520))
        browser.wait_for(
            "document.querySelector('header .state').className === 'state in_progress'"
        )
        browser.wait_for(SAVED)
        painted_s = time.perf_counter() - begun
        memory_mb = read_rss_mb(studio)
    finally:
        browser.close()
        studio.kill()
    return {"installed_s": installed_s, "painted_s": painted_s, "rss_mb": memory_mb}


def run(*words: object) -> None:
    """A command of maskwright that has to end well."""
    command = [sys.executable, "-m", "maskwright", *map(str, words), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def read_rss_mb(studio: Studio) -> float:
    """The most memory that the server had, in MB."""
    status = Path(f"/proc/{studio.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
