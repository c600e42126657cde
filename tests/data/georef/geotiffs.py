"""GeoTIFF files for the tests, written tag by tag."""

import numpy as np
import tifffile

METRE, FOOT, US_FOOT = 9001, 9002, 9003
UTM_16N = 32616


def write_geotiff(path, labels_HW, *, scale=(0.5, 0.5), tie=(733601.0, 3725139.0), **choices):
    """A map with its top left corner at `tie`; see `geo_keys` for the choices."""
    tags = [
        (33550, "d", 3, (*scale, 0.0), False),
        (33922, "d", 6, (0.0, 0.0, 0.0, *tie, 0.0), False),
    ]
    _write(path, labels_HW, tags, geo_keys(**choices))


def write_transformed(path, labels_HW, affine, **choices):
    """A map placed by a ModelTransformation tag."""
    a, b, c, d, e, f = affine
    matrix = (a, b, 0.0, c, d, e, 0.0, f, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    _write(path, labels_HW, [(34264, "d", 16, matrix, False)], geo_keys(**choices))


def geo_keys(*, model=1, raster=1, epsg=UTM_16N, unit=METRE):
    """The GeoKeyDirectory: model 1 projected, 2 degrees; raster 1 area, 2 point."""
    keys = [(1024, 0, 1, model), (1025, 0, 1, raster)]
    keys += [(3072, 0, 1, epsg)] if epsg else []
    keys += [(3076, 0, 1, unit)] if unit else []
    return (1, 1, 0, len(keys), *(value for key in keys for value in key))


def _write(path, labels_HW, tags, keys):
    tags = [*tags, (34735, "H", len(keys), keys, False)]
    tifffile.imwrite(path, np.asarray(labels_HW, np.uint8), extratags=tags, metadata=None)
