"""Predicted class maps as the labels of a labelling tool, by the writers of `convert`.

A format of `convert` in `--write` becomes a folder of its name: a dataset with a copy of each
image, which the tool imports so that people correct the labels, and `conversion.json`, the
account of what the format cannot store.
"""

from collections.abc import Mapping
from pathlib import Path

from ..core.codec import LabelCodec
from ..core.labels import LabelSpec
from ..core.progress import Progress, silent
from ..data.conversion.account import Account
from ..data.conversion.convert import convert_into
from ..data.dataset import FolderDataset
from ..data.entries.scan import UNSPLIT, Entry
from ..data.pixels.imageref import ImageRef
from .volumes import find_slices, is_slice


def write_annotations(
    to: str,
    folder: Path,
    images: Mapping[str, ImageRef],
    labels: LabelSpec,
    *,
    maps: Path,
    target: Path,
    progress: Progress = silent,
) -> Account:
    """Write the class maps of `images` in the format `to`.

    Args:
        to: A format that `convert` writes.
        folder: Where the files are written; what an interrupted call wrote there is kept.
        images: The predicted images by key.
        labels: The classes of the maps.
        maps: The folder of the class maps.
        target: The folder that `folder` becomes, for the account.
        progress: Called for every image.

    Raises:
        ConfigError: The format cannot be written.
        DataError: The format cannot hold the images or the classes.
    """
    entries = (
        Entry(key=key, split=UNSPLIT, image=image, labels=find_map(maps, key, image), group=key)
        for key, image in images.items()
    )
    dataset = FolderDataset(
        root=target.parent,
        codec=LabelCodec.identity(labels),
        entries=tuple(entries),
        format="class maps",
    )
    return convert_into(folder, dataset, target, to=to, progress=progress)


def find_map(maps: Path, key: str, image: ImageRef) -> ImageRef:
    """The class map of one image, or of a slice before the volume is written."""
    if is_slice(image):
        maps = find_slices(maps)
    tiff = maps / f"{key}.tif"
    return ImageRef(tiff if tiff.is_file() else maps / f"{key}.png")
