"""Class maps that are labels of images: DICOM-SEG and RTSTRUCT, by the images they lie on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.codec import LabelCodec
from ..core.labels import LabelMap, LabelSpec
from .classes.codec import build_codec
from .classes.dataset_yaml import DatasetFile
from .classes.kinds import BACKGROUND_NAMES
from .entries.annotation import Annotation
from .entries.format import load_format
from .entries.hiding import hide_images
from .entries.picture import codec_of_shapes
from .entries.walk import image_files
from .pixels.imageref import ImageRef

FORMATS = ("dicom_seg", "rtstruct")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnMaps:
    """Images by key, the path below their folder, and the labels of each.

    `codec` names the classes as the files do.
    """

    images: Mapping[str, ImageRef]
    annotations: Mapping[str, Annotation]
    codec: LabelCodec

    def with_classes(self, spec: LabelSpec) -> "DrawnMaps":
        """The same labels with the classes of a list; what is not drawn is its background."""
        known = (i for i, name in enumerate(spec.names) if name.lower() in BACKGROUND_NAMES)
        return replace(self, codec=codec_of_shapes(spec, next(known, None)))

    def match_keys(self, keys: Collection[str]) -> "DrawnMaps":
        """The same labels without the folders that all keys begin with, where `keys` fit so.

        `predict DATA/ct` writes maps by their path below `ct`.
        """
        maps = self
        while maps.images.keys() != set(keys):
            first = {key.partition("/")[0] for key in maps.images if "/" in key}
            if len(first) != 1 or not all("/" in key for key in maps.images):
                return self
            images = {key.partition("/")[2]: image for key, image in maps.images.items()}
            drawn = {key.partition("/")[2]: item for key, item in maps.annotations.items()}
            maps = replace(maps, images=images, annotations=drawn)
        return maps

    def read(self, key: str) -> LabelMap:
        """The LabelMap of one image.

        Raises:
            DataError: Labels that are damaged, at another place, or of no class of the codec.
        """
        labels = self.annotations[key]
        raw_HW = labels.paint(labels.read(), self.codec)
        return self.codec.decode(raw_HW, where=str(labels))


def find_drawn(path: Path, images_at: Path) -> DrawnMaps | None:
    """Find the labels in a folder; None where it holds none of these formats.

    Their images lie in the folder itself, else in `images_at`.

    Raises:
        DataError: No labels refer to an image there.
    """
    if not path.is_dir():
        return None
    name = next((name for name in FORMATS if load_format(name).recognises(path)), None)
    if name is None:
        return None
    root = path if next(image_files(path), None) or not images_at.is_dir() else images_at
    scan = load_format(name).scan(path, DatasetFile(images=str(root.absolute())))
    document = DatasetFile(classes=scan.classes, codec=scan.codec)
    entries = sorted(scan.entries, key=lambda entry: entry.image)
    paths = (entry.image.path.relative_to(root.absolute()) for entry in entries)
    keys = (path.with_suffix("").as_posix() for path in paths)
    images, _ = hide_images(zip(keys, (e.image for e in entries), strict=True), root.absolute())
    return DrawnMaps(
        images=dict(images),
        annotations={
            key: entry.labels
            for (key, _), entry in zip(images, entries, strict=True)
            if isinstance(entry.labels, Annotation)
        },
        codec=build_codec(document, where=path),
    )
