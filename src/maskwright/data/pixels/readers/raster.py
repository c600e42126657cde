"""JPEG 2000 (Sentinel-2, Pleiades) and virtual rasters (VRT) by GDAL, the extra `geo`.

A file of bits, as GDAL's VRT of a mask, is read as 0 and 1. Several bands are the channels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.image import PixelData
from ...georef.geotags import Tag, make_tags
from ...georef.placement import Placement, read_placement
from ...georef.units import DEGREE
from ...georef.worldfiles import unit_of
from ..faults import explain_faults
from ..gdal import VRT_START, open_gdal, read_bands, read_first_mask
from ..imagefile import ImageFile, ImageKind, Window, find_type, to_image
from ..imageref import ImageRef
from ..validity import cut_alpha, mark_valid

PRIORITY = 10
SUFFIXES = (".j2k", ".jp2", ".vrt")

_JPEG2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def takes(start: bytes) -> bool:
    """Take JPEG 2000 files and codestreams, and XML that begins as a VRT does."""
    return start.startswith(_JPEG2000) or VRT_START in start


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return _RasterImage(ref)


@dataclass(frozen=True, slots=True)
class _RasterImage(ImageFile):
    ref: ImageRef

    @property
    def size_HW(self) -> tuple[int, int]:
        with self._open() as raster:
            return int(raster.height), int(raster.width)

    @property
    def kind(self) -> ImageKind:
        with self._open() as raster:
            channels = raster.count - (_find_alpha(raster) is not None)
            return ImageKind(channels, find_type(np.result_type(*raster.dtypes)))

    @property
    def bands(self) -> tuple[str, ...]:
        with self._open() as raster:
            alpha = _find_alpha(raster)
            names = [n or "" for i, n in enumerate(raster.descriptions) if i != alpha]
        return tuple(names) if all(names) else ()

    @property
    def nodata(self) -> float | None:
        with self._open() as raster:
            return None if raster.nodata is None else float(raster.nodata)

    @property
    def may_lack_data(self) -> bool:
        with self._open() as raster:
            floats = np.result_type(*raster.dtypes).kind == "f"
            return floats or any("all_valid" not in names for names in _name_flags(raster))

    @property
    def placement(self) -> Placement | None:
        with self._open() as raster:
            if raster.crs is None or raster.transform.is_identity:
                return read_placement(self.ref.file)
            affine = raster.transform[:6]
            text, epsg = raster.crs.to_wkt(), raster.crs.to_epsg()
        unit = unit_of(text, affine)
        return Placement(affine=affine, epsg=epsg, unit=unit, origin=self.ref.file)

    @property
    def geotags(self) -> tuple[Tag, ...]:
        found = self.placement
        if found is None:
            return ()
        return make_tags(found.affine, found.epsg, is_geographic=found.unit == DEGREE)

    @property
    def reads_windows(self) -> bool:
        return True

    def read_data(self, window: Window | None = None) -> PixelData:
        with self._open() as raster, explain_faults(self.ref):
            whole_HWC = to_image(read_bands(raster, window), self.ref)
            image_HWC, alpha_HW = cut_alpha(whole_HWC, _find_alpha(raster))
            mask_HW = alpha_HW
            if alpha_HW is None and any("per_dataset" in n for n in _name_flags(raster)):
                mask_HW = read_first_mask(raster, window)
            return mark_valid(image_HWC, nodata=raster.nodata, mask_HW=mask_HW)

    def read_stored(self) -> NDArray[Any]:
        return self._read_stored()

    @property
    def reads_stored_windows(self) -> bool:
        return True

    def read_stored_window(self, window: Window) -> NDArray[Any]:
        return self._read_stored(window)

    def _read_stored(self, window: Window | None = None) -> NDArray[Any]:
        with self._open() as raster, explain_faults(self.ref):
            bands_HWC = read_bands(raster, window)
            return bands_HWC if bands_HWC.shape[2] > 1 else bands_HWC[..., 0]

    def _open(self) -> Any:
        with explain_faults(self.ref), self.ref.file.open("rb") as file:
            is_vrt = VRT_START in file.read(64)
        return open_gdal(self.ref.file, "VRT" if is_vrt else "JP2OpenJPEG")


def _find_alpha(raster: Any) -> int | None:
    """The index of the band that is alpha; None without one."""
    names = [band.name for band in raster.colorinterp]
    return names.index("alpha") if "alpha" in names else None


def _name_flags(raster: Any) -> list[set[str]]:
    return [{flag.name for flag in flags} for flags in raster.mask_flag_enums]
