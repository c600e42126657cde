"""Frames of DICOM images that store one bit per pixel; PS3.5, section 8.1.1.

Frames follow each other without a gap, so that a frame may begin in the middle of a byte.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_bits(path: Path, index: int, size_HW: tuple[int, int]) -> NDArray[np.uint8]:
    """Read one frame, H x W of 0 and 1, by its index in the file.

    Raises what pydicom raises on damaged files.
    """
    status = path.stat()
    frames = _read_frames(path, status.st_size, status.st_mtime_ns)
    if isinstance(frames, np.ndarray):
        return np.asarray(frames[index], np.uint8)
    area_px = size_HW[0] * size_HW[1]
    first, last = index * area_px, (index + 1) * area_px
    packed = np.frombuffer(frames[first // 8 : (last + 7) // 8], np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:area_px]
    return bits.reshape(size_HW)  # (H * W,) -> (H, W)


@lru_cache(maxsize=2)
def _read_frames(path: Path, size: int, mtime_ns: int) -> bytes | NDArray[Any]:  # noqa: ARG001 - cache keys
    """The packed bits of all frames; unpacked frames (N, H, W) where they are compressed."""
    import pydicom
    from pydicom.pixels.utils import pixel_array

    head = pydicom.dcmread(path, specific_tags=["PixelData"])
    syntax: Any = head.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated or not syntax.is_little_endian:
        frames: NDArray[Any] = pixel_array(path)
        return frames if frames.ndim == 3 else frames[None]  # (H, W) -> (1, H, W)
    return bytes(head.PixelData)
