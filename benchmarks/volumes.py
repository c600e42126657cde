"""One epoch over slices of gzipped volumes: unpacked for each slice, or kept.

    python benchmarks/volumes.py

Both ways read the same samples in the same order in one process with one thread: images and
labels of every slice, in the order of training. Writes `benchmarks/volumes.md`.
"""

import platform
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel as nib
import numpy as np

from maskwright.data.dataset import FolderDataset, open_as_is
from maskwright.data.pixels import gunzip, nifti
from maskwright.data.pixels.gunzip import UnpackedFiles
from maskwright.training.samples.order import SampleOrder

OUT = Path(__file__).with_name("volumes.md")
SHAPE = (256, 256, 32)
NUM_PATIENTS = 2


def main() -> None:
    """Measure both ways and write the table."""
    with TemporaryDirectory() as folder:
        dataset = draw_patients(Path(folder))
        size = sum(dataset.unpacked_bytes(0).values())
        ways = {
            "unpacked for each slice": (0, 0),
            "kept, all at once": (NUM_PATIENTS * size, NUM_PATIENTS * size),
            "kept, one patient at a time": (size, size),
        }
        rows = {name: measure(dataset, *limits) for name, limits in ways.items()}
    slowest_s = rows["unpacked for each slice"][0]
    source = (
        f"From `python benchmarks/volumes.py`: {NUM_PATIENTS} patients of "
        f"{' x '.join(map(str, SHAPE))} voxels, images of int16 and labels of uint8 as "
        f"`.nii.gz`, {len(dataset)} slices. CPU time of one thread on {platform.machine()}."
    )
    lines = [
        "# One epoch over gzipped volumes",
        "",
        source,
        "",
        "| way | files unpacked | times as fast |",
        "|---|---:|---:|",
        *(f"| {name} | {n} | {slowest_s / s:.1f} |" for name, (s, n) in rows.items()),
    ]
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def draw_patients(root: Path) -> FolderDataset:
    """Smooth tissue with noise, which packs about as a CT does, and one organ."""
    rng = np.random.default_rng(0)
    for number in range(NUM_PATIENTS):
        noise = rng.normal(0, 12, SHAPE)
        labels = np.zeros(SHAPE, np.uint8)
        labels[80:160, 80:160] = 1
        values = np.rint(40 * labels + noise).astype(np.int16)
        for kind, voxels in (("images", values), ("masks", labels)):
            path = root / kind / f"p{number}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(voxels, np.diag([1, 1, 5, 1.0])), path)
    return open_as_is(root)


def measure(dataset: FolderDataset, kept_bytes: int, block_bytes: int) -> tuple[float, int]:
    """CPU seconds of one epoch, and how many times a file was unpacked."""
    nifti.unpacked_files = kept = UnpackedFiles(kept_bytes)
    order = SampleOrder.from_dataset(dataset, 0, limit_bytes=block_bytes or 1 << 40)
    unpack, count = gunzip.unpack, 0

    def unpack_and_count(file: Path, num_bytes: int) -> np.ndarray:
        nonlocal count
        count += 1
        return unpack(file, num_bytes)

    gunzip.unpack = unpack_and_count
    started_s = time.process_time()
    for n in range(len(dataset)):
        _ = dataset[order.image_index(n)]
    took_s = time.process_time() - started_s
    gunzip.unpack = unpack
    return took_s, count if kept.limit_bytes else 2 * len(dataset)


if __name__ == "__main__":
    main()
