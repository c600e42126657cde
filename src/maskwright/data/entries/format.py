"""Format: what a file or folder in `data/formats` offers, with defaults for the rest."""

from abc import abstractmethod
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol

from ...core import parts
from ...core.codec import LabelCodec
from ...core.errors import ConfigError
from ...core.labels import LabelSpec
from ..classes.dataset_yaml import DatasetFile
from ..shapes.drawing import Overlap
from ..shapes.raster import Raster
from .picture import Picture, Record, WriteResult, codec_of_shapes
from .scan import Scan

FORMATS = "maskwright.data.formats"


class Format(Protocol):
    """A layout of files that is read and, where it has `HOLDS` and `write`, written.

    Where labels are shapes, an entry's `labels` are an `Annotation` whose `read` gives the
    Drawing of one image, `codec.pixels` is "name", and `Scan.classes` lists the labels that
    occur, sorted, unless dataset.yaml lists classes (`list_shape_classes` does both).
    """

    READS: frozenset[str] = frozenset()
    """Keys of dataset.yaml that only some formats read: "label_key", "runs"."""

    HOLDS: frozenset[str] | None = None
    """What is kept when the format is written: "polygons", "overlaps", "attributes",
    "instances", "ignored" (IGNORE differs from every class), "groups", and "splits", or "usual
    splits" where only train, val and test are, or "usual splits alone" where those are and no
    image is without a split, or "folds" where train, val and test are, or folds and test.
    "volumes": slices of NIfTI volumes stay volumes, with spacing and orientation. None: the
    format can only be read."""

    OUTLINE_FILL: Raster | None = None
    """The rule by which the tool fills polygons, where all regions can be written as such."""

    WRITTEN_OVERLAP: Overlap = "file"
    """The rule by which written shapes that overlap are read."""

    YAML_ASIDE: bool = False
    """Whether dataset.yaml and splits.json are kept in a folder of their own, since the tool
    takes any YAML file beside the data for its own."""

    @abstractmethod
    def recognises(self, root: Path) -> bool:
        """Whether the folder has this layout.

        Names of folders and files decide; where they do not, one file is opened
        (`reading.documents.peek_first`).
        """

    @abstractmethod
    def scan(self, root: Path, document: DatasetFile) -> Scan:
        """Every image with its labels and split, and what has no partner; reads no pixels.

        Where the layout itself names the classes, `Scan.classes` and `Scan.codec` hold them as
        dataset.yaml would; with `codec.pixels` given they are complete.

        Raises:
            DataError: A file is missing or damaged, or the folder has another layout.
            ConfigError: dataset.yaml contradicts the files.
        """

    def write(self, folder: Path, picture: Picture) -> WriteResult:
        """Write the files of one image; called once per image, in any order.

        Returns what `finish` needs and what of the image could not be kept.

        Raises:
            ConfigError: The format can only be read.
        """
        raise ConfigError(f"{folder}: the format of {picture.entry.key!r} can only be read")

    def finish(self, folder: Path, spec: LabelSpec, records: Iterable[Record]) -> None:
        """Write what is written once, from what `write` recorded of each image."""

    def list_notes(self, spec: LabelSpec, splits: Collection[str]) -> tuple[str, ...]:
        """List what a user of the written files should know; `splits` are those written."""
        return ()

    def codec_for(self, spec: LabelSpec, background: int | None) -> LabelCodec:
        """How the written labels are read back; it is saved in dataset.yaml.

        The default is that of shapes: labels are the names of the classes. `background` is the
        class of pixels that no shape covers, None where those are IGNORE.
        """
        return codec_of_shapes(spec, background)


def load_format(name: str) -> Format:
    """The format called `name`.

    Raises:
        UnknownNameError: There is no such format.
        ConfigError: A part of another package does not offer what a format must.
    """
    return parts.load(FORMATS, name, like=Format)
