"""Write an image as a file in memory that gives it back as it is."""

import io

import numpy as np

from ..core.errors import DataError
from ..core.image import Image, ValidMap


def encode_exactly(image_HWC: Image, valid_HW: ValidMap | None, *, where: str) -> bytes:
    """An image file that is read back as it is: a PNG, else a TIFF without compression.

    Raises:
        DataError: Pixels without data in an image that is not 8-bit grey or RGB: no file says
            where they are.
    """
    from PIL import Image as PillowImage

    file, channels = io.BytesIO(), image_HWC.shape[2]
    lacks_HW = np.zeros((1, 1), np.bool_) if valid_HW is None else ~valid_HW
    if image_HWC.dtype == np.uint8 and channels in (1, 3):
        stacked_HWC = image_HWC
        if lacks_HW.any():
            alpha_HW1 = np.where(lacks_HW, 0, 255)[..., None]
            stacked_HWC = np.concatenate([image_HWC, alpha_HW1.astype(np.uint8)], axis=2)
        picture = PillowImage.fromarray(
            stacked_HWC[..., 0] if stacked_HWC.shape[2] == 1 else stacked_HWC
        )
        picture.save(file, "PNG", compress_level=1)
        return file.getvalue()
    if lacks_HW.any():
        raise DataError(
            f"{where}: {int(lacks_HW.sum())} pixels hold no data, which is sent for 8-bit grey "
            f"and RGB images alone; predict it by the Bundle"
        )
    import tifffile

    stored = image_HWC[..., 0] if channels == 1 else image_HWC
    planar = None if channels == 1 else "contig"
    tifffile.imwrite(file, stored, photometric="minisblack", planarconfig=planar)
    return file.getvalue()
