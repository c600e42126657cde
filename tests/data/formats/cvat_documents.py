"""CVAT's XML as tests write it."""

import numpy as np

from maskwright.data.dataset import open_as_is

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
MASK_OF_M = 'rle="0, 3, 2, 1, 1, 1, 1, 4, 1, 1" left="1" top="1" width="5" height="3"'
LABELS = "<label><name>car</name><color>#0a141e</color><type>any</type></label>"
BLACK = np.zeros((4, 6, 3), np.uint8)


def document(inside, *, labels=LABELS, task=""):
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta>'
        f"<task>{task}<labels>{labels}</labels></task></meta>\n{inside}</annotations>\n"
    )


def image(shapes, *, name="a.png", more="", size=(4, 6)):
    head = f'<image id="0" name="{name}" {more} width="{size[1]}" height="{size[0]}">'
    return f"{head}{shapes}</image>"


def mask(rest=MASK_OF_M, *, label="car", z=0):
    return f'<mask label="{label}" source="manual" occluded="0" {rest} z_order="{z}"></mask>'


def polygon(points, *, label="car", z=0):
    return f'<polygon label="{label}" occluded="0" points="{points}" z_order="{z}"/>'


def one(write, shapes, **options):
    """The dataset of one image of 4 x 6 with these shapes."""
    files = {"annotations.xml": document(image(shapes), **options), "images/a.png": BLACK}
    return open_as_is(write(files))


def names_of(scan):
    return [(e.split, e.key) for e in scan.entries]
