"""GeoTIFF tiles side by side, and one GeoPackage of polygons in another reference system."""

import numpy as np
import pytest
import tifffile

KEYS_OF_UTM = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)


def make(root, keys, labels_HW):
    """Write images, and a polygon per pixel of class 1; `keys` by split."""
    geopandas = pytest.importorskip("geopandas")
    shapely = pytest.importorskip("shapely")
    boxes, (height, width) = [], labels_HW.shape
    tiles = [(split, key) for split, names in keys.items() for key in names]
    for number, (split, key) in enumerate(tiles):
        (root / "images" / split).mkdir(parents=True, exist_ok=True)
        east, north = 5e5 + 1000.0 * number, 5e6
        tags = [
            (33550, "d", 3, (10.0, 10.0, 0.0), True),
            (33922, "d", 6, (0.0, 0.0, 0.0, east, north, 0.0), True),
            (34735, "H", len(KEYS_OF_UTM), KEYS_OF_UTM, True),
        ]
        path = root / "images" / split / f"{key}.tif"
        tifffile.imwrite(path, np.zeros((height, width), np.uint8), extratags=tags)
        boxes += [
            shapely.box(east + 10 * x, north - 10 * y - 10, east + 10 * x + 10, north - 10 * y)
            for y, x in np.argwhere(labels_HW == 1).tolist()
        ]
    layer = geopandas.GeoDataFrame({"class": ["car"] * len(boxes)}, geometry=boxes, crs=32633)
    layer.to_crs(4326).to_file(root / "cars.gpkg")
