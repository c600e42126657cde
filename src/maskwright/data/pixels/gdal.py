"""Rasters by GDAL (rasterio, of the extra `geo`): JPEG 2000, virtual rasters, some TIFF files.

Only the named driver opens a file, no network is asked and no Python code of a file runs. A
virtual raster (VRT) is read where all its sources lie in or below its own folder and are TIFF,
JPEG 2000, PNG or JPEG by content, so that a file from elsewhere reaches no other file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, MissingDependencyError
from ...core.files import open_file
from .faults import MAX_PIXELS, damage, no_warnings, too_large
from .imagefile import Window
from .imageref import ImageRef

Driver = Literal["GTiff", "JP2OpenJPEG", "VRT"]
VRT_START = b"<VRTDataset"
_RASTERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
_MAX_BYTES = 1 << 32
_MAX_VRT_BYTES = 16 << 20
_OPTIONS = {
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    "GDAL_HTTP_TIMEOUT": "1",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".none",
    "GDAL_CACHEMAX": 64,
}


@contextmanager
def open_gdal(path: Path, driver: Driver) -> Iterator[Any]:
    """Open a raster, a dataset of rasterio, with this driver alone; its size is checked.

    Raises:
        DataError: Damaged, too large, or a virtual raster with a source elsewhere.
        MissingDependencyError: rasterio is not installed.
    """
    try:
        import rasterio
        from rasterio._err import CPLE_BaseError
        from rasterio.errors import RasterioError
    except ImportError as error:
        raise MissingDependencyError("rasterio", "geo") from error
    if driver == "VRT":
        _require_sources_below(path)
    try:
        with (
            no_warnings,
            rasterio.Env(**_OPTIONS),
            rasterio.open(path, driver=driver) as raster,
        ):
            declared = raster.width * raster.height
            if declared > MAX_PIXELS:
                raise too_large(ImageRef(path), declared)
            yield raster
    except (RasterioError, CPLE_BaseError) as error:
        raise damage(ImageRef(path), error) from error


def read_bands(raster: Any, window: Window | None = None) -> NDArray[Any]:
    """All bands of a raster, or of a window of it, as stored: H x W x C.

    Raises:
        DataError: More bytes than are held at once.
    """
    spans, rest = _find_spans(raster, window)
    height, width = (stop - start for start, stop in spans)
    pixel_bytes = raster.count * max(np.dtype(d).itemsize for d in raster.dtypes)
    if height * width * pixel_bytes > _MAX_BYTES:
        raise too_large(ImageRef(Path(raster.name)), height * width)
    bands_HWC = np.moveaxis(raster.read(window=spans), 0, -1)  # (C, H, W) -> (H, W, C)
    return np.ascontiguousarray(bands_HWC[rest])


def read_first_mask(raster: Any, window: Window | None = None) -> NDArray[Any]:
    """The mask of the first band, H x W, 0 where there is no data."""
    spans, rest = _find_spans(raster, window)
    return np.ascontiguousarray(raster.read_masks(1, window=spans)[rest])


def _find_spans(
    raster: Any, window: Window | None
) -> tuple[tuple[tuple[int, int], tuple[int, int]], Window]:
    """The rows and columns that are read, and the window to be cut out of them."""
    spans, rest = [], []
    for size, axis in zip((raster.height, raster.width), window or np.s_[:, :], strict=True):
        inside = range(size)[axis]
        is_plain = len(inside) > 0 and inside.step == 1
        spans.append((inside.start, inside.stop) if is_plain else (0, size))
        rest.append(slice(None) if is_plain else axis)
    return (spans[0], spans[1]), (rest[0], rest[1])


def _require_sources_below(path: Path) -> None:
    """Require sources of a virtual raster that lie below its folder and are images."""
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    with open_file(path, most_bytes=_MAX_VRT_BYTES) as file:
        content = file.read()
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, DefusedXmlException, ValueError) as error:
        raise damage(ImageRef(path), error) from error
    if root.get("subClass") or any(b.get("subClass") for b in root.iter("VRTRasterBand")):
        raise DataError(
            f"{path}: a virtual raster that computes its pixels is not read; run: "
            f"gdal_translate {path.name} {path.stem}.tif"
        )
    for element in root.iter():
        if element.tag in ("SourceFilename", "SourceDataset"):
            is_relative = element.get("relativeToVRT") == "1"
            _require_source(path, element.text or "", is_relative=is_relative)


def _require_source(path: Path, name: str, *, is_relative: bool) -> None:
    folder = path.parent.resolve()
    source = (folder / name if is_relative else Path(name)).resolve()
    if name.startswith("/vsi") or "://" in name or not source.is_relative_to(folder):
        raise DataError(
            f"{path}: its source {name} lies outside of the folder of the virtual raster; move "
            f"it there, or run: gdal_translate {path.name} {path.stem}.tif"
        )
    with open_file(source, most_bytes=64 << 30) as file:
        start = file.read(8)
    if not start.startswith((*_RASTERS, *_PICTURES)):
        raise DataError(f"{path}: its source {name} is not a TIFF, JPEG 2000, PNG or JPEG file")
