"""Folders of class maps of any origin: index, palette or colour images under one LabelSpec.

The classes are those of a dataset.yaml or classes.txt, given or found in the folder or the two
above it; where there is none, they are inferred from the values of all maps, as for a dataset.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.codec import LabelCodec
from ..core.errors import ConfigError, DataError
from ..core.labels import LabelMap, LabelSpec
from ..core.progress import Progress, silent
from ..core.yamlfile import read_yaml
from ..pages.text import list_names
from .classes.codec import build_codec
from .classes.dataset_yaml import (
    FILE_NAME,
    ClassEntry,
    DatasetFile,
    is_of_another_tool,
    read_dataset_file,
)
from .classes.hints import Hints
from .classes.infer import CLASSES_FILE, infer_codec, read_classes_file
from .classes.mapping import ClassMapping, apply_mappings, read_mapping
from .classes.palettes import read_by_color, require_one_palette
from .classes.survey import survey_masks
from .drawnmaps import DrawnMaps, find_drawn
from .entries.annotation import decode_mask
from .mapfiles import find_folder, find_maps, pair_maps
from .opening.renewal import renew
from .pixels.alignment import describe_misalignment, require_alike
from .pixels.imageref import ImageRef
from .pixels.images import open_image
from .pixels.rawmask import read_raw, read_raw_as_stored
from .pixels.resample import read_aligned

_ENOUGH_MAPS = 32
"""So many maps decide how listed classes are stored; the others are checked when read."""

ALIGN = "resample it to the grid of the other with --align, or save both on one grid"
"""The fix where two maps do not lie alike."""

_LEVELS_ABOVE = 2
"""`masks/val` lies two levels below its dataset.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMaps:
    """Class maps by key: the path below `root` without its suffix.

    With `raw`, one channel holds raw values that `codec` maps, as in the masks of a dataset;
    without, class indices, as `maskwright predict` writes them. Colours are always mapped.
    `mapping` merges the classes that the files hold. With `drawn`, `files` are images, and the
    maps their labels.
    Maps are read on the grids of `aligned_to`, by key, where they lie elsewhere.
    """

    root: Path
    files: Mapping[str, ImageRef]
    codec: LabelCodec
    raw: bool = True
    mapping: ClassMapping | None = None
    aligned_to: Mapping[str, ImageRef] = field(default_factory=dict)
    drawn: DrawnMaps | None = None

    @property
    def spec(self) -> LabelSpec:
        """The classes, after the mapping."""
        return self.codec.spec if self.mapping is None else self.mapping.after

    def __len__(self) -> int:
        return len(self.files)

    def spacing_mm(self, key: str) -> tuple[float, float] | None:
        """Height and width of a pixel in mm, None where the file does not say them."""
        return open_image(self.files[key]).spacing_mm_HW

    def read(self, key: str) -> LabelMap:
        """The LabelMap of one file.

        Raises:
            DataError: It is unreadable, or holds a value that is neither a class nor ignored.
        """
        image, grid = self.files[key], self.aligned_to.get(key)
        read = self._read_stored
        if self.drawn is not None:
            labels_HW = self.drawn.read(key)
        else:
            labels_HW = read(image) if grid is None else read_aligned(read, image, grid)
        return labels_HW if self.mapping is None else self.mapping.table[labels_HW]

    def _read_stored(self, image: ImageRef) -> LabelMap:
        """The class map of one file with the classes of `codec`; its own nodata is IGNORE."""
        if self.raw and self.codec.pixels != "name":
            raw_HW = read_raw(image, self.codec.pixels)
            return decode_mask(self.codec, raw_HW, image, keep_listed=False)
        kind, raw_HW = read_raw_as_stored(image)
        if kind == self.codec.pixels == "rgb":
            codec = self.codec
        elif kind == "rgb":
            codec = LabelCodec.from_colors(self.codec.spec)
        else:
            codec = LabelCodec.identity(self.codec.spec)
        return decode_mask(codec, raw_HW, image, keep_listed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMapPair:
    """Two sets of class maps with the same keys and classes.

    Truth and predictions, or two dates; `reference` decides how the maps are stored.
    `resampled` are the keys whose other maps are resampled to the grid of the reference.
    """

    reference: ClassMaps
    other: ClassMaps
    resampled: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that both have, in the order of the reference."""
        return tuple(self.reference.files)

    @classmethod
    def open(
        cls,
        reference: Path,
        other: Path,
        *,
        spec: Path | None = None,
        other_raw: bool = True,
        mapping: Path | None = None,
        align: bool = False,
        progress: Progress = silent,
    ) -> "ClassMapPair":
        """Find the maps at two paths; two files belong together whatever their names are.

        The classes are those of `spec`, or found by the reference, or by the other maps; where
        there is no list, they are inferred from all values. With `other_raw` false, the other
        maps hold class indices where the classes are listed. A `mapping` file merges the
        classes of both. With `align`, other maps that do not lie where the reference lies are
        resampled to its grid.

        Raises:
            DataError: Nothing there, a map without a partner or at another place than its
                partner, or values that are not classes.
            ConfigError: The file with the classes, or the mapping, is wrong.
        """
        drawn, other_drawn = find_drawn(reference, other), find_drawn(other, reference)
        others = find_maps(other) if other_drawn is None else dict(other_drawn.images)
        drawn = drawn and drawn.match_keys(others)
        files = find_maps(reference) if drawn is None else dict(drawn.images)
        files, others = pair_maps(reference, files, other, others)
        resampled = _find_misaligned(files, others, align=align, progress=progress)
        listed = spec or find_spec(reference) or find_spec(other)
        raw = other_raw or listed is None
        own = other_drawn is not None or (
            spec is None and find_spec(other) not in (None, listed)
        )
        stored = [
            *(files.values() if drawn is None else ()),
            *(others.values() if raw and not own else ()),
        ]
        codec, merged = _choose_codec(drawn, stored, listed, mapping, progress)
        return cls(
            reference=ClassMaps(
                root=reference,
                files=files,
                codec=codec,
                mapping=merged,
                drawn=drawn and drawn.with_classes(codec.spec),
            ),
            other=ClassMaps(
                root=other,
                files=others,
                codec=codec,
                raw=raw,
                mapping=merged,
                aligned_to={key: files[key] for key in resampled},
                drawn=other_drawn and other_drawn.with_classes(codec.spec),
            ),
            resampled=resampled,
        )


def _choose_codec(
    drawn: DrawnMaps | None,
    stored: list[ImageRef],
    listed: Path | None,
    mapping: Path | None,
    progress: Progress,
) -> tuple[LabelCodec, ClassMapping | None]:
    """How the maps of both are stored, and what their classes become by `mapping`."""
    if drawn is not None:
        codec = _read_drawn_codec(drawn, listed)
    else:
        codec = read_codec(stored, listed, progress=progress)
    return (codec, None) if mapping is None else _merge_classes(codec, stored, listed, mapping)


def _merge_classes(
    codec: LabelCodec, files: Iterable[ImageRef], spec: Path | None, mapping: Path
) -> tuple[LabelCodec, ClassMapping]:
    """The codec of the files, and the mapping of its classes.

    A mapping for the classes before those that `spec` names is taken in their place.
    """
    try:
        return codec, read_mapping(mapping, codec.spec)
    except ConfigError:
        plain = read_codec(files, spec, is_mapped=False)
        if plain.spec == codec.spec:
            raise
        return plain, read_mapping(mapping, plain.spec)


def _find_misaligned(
    files: Mapping[str, ImageRef],
    others: Mapping[str, ImageRef],
    *,
    align: bool,
    progress: Progress,
) -> tuple[str, ...]:
    """The keys whose two maps do not lie alike; refuses the first of them unless `align`."""
    found = []
    for key in progress(files, total=len(files), what="checking where maps lie"):
        if align:
            found += [key] if describe_misalignment(others[key], files[key]) else []
        else:
            require_alike(others[key], files[key], fix=ALIGN)
    return tuple(found)


def describe_resampled(keys: Sequence[str], what: str) -> tuple[str, ...]:
    """One sentence on maps that were resampled; none where none was."""
    if not keys:
        return ()
    counted = f"{len(keys):,} {what}" if len(keys) > 1 else f"1 of the {what}"
    how = "resampled to the grid of the other map, by the nearest pixel"
    return (f"{counted} {how}: {list_names(keys)}",)


def open_class_maps(
    path: Path | str,
    *,
    spec: Path | str | None = None,
    progress: Progress = silent,
) -> ClassMaps:
    """Open the maps at `path`, one image file or a folder searched to the bottom.

    Raises:
        DataError: Nothing there, two files of one key, or values that are not classes.
        ConfigError: The file with the classes is wrong.
    """
    path = Path(path)
    files = find_maps(path)
    codec = read_codec(files.values(), spec or find_spec(path), progress=progress)
    return ClassMaps(root=find_folder(path), files=files, codec=codec)


def find_spec(path: Path) -> Path | None:
    """The nearest dataset.yaml that lists classes, or classes.txt, in the folder or above it.

    `path` is that folder or a file in it.
    """
    resolved = find_folder(path).resolve()
    for folder in (resolved, *resolved.parents[:_LEVELS_ABOVE]):
        described = folder / FILE_NAME
        if described.is_file() and _list_current(folder, described).classes:
            return described
        if (folder / CLASSES_FILE).is_file():
            return folder / CLASSES_FILE
    return None


def _list_current(folder: Path, file: Path) -> DatasetFile:
    """A dataset.yaml, without the classes that were inferred from what has changed since.

    That of another tool, as YOLO's may be called so, says nothing.
    """
    if is_of_another_tool(read_yaml(file)):
        return DatasetFile()
    document = read_dataset_file(file)
    root = folder / document.root if document.root else folder
    return renew(root, file, document)[0]


def read_codec(
    files: Iterable[ImageRef],
    spec: Path | str | None,
    *,
    is_mapped: bool = True,
    progress: Progress = silent,
) -> LabelCodec:
    """Read the codec that `spec` describes for `files`; inferred from all where it is None.

    It is that after the mappings that `spec` names, where `is_mapped`.

    Raises:
        DataError: A file is unreadable, or the values can be understood in two ways.
        ConfigError: `spec` is wrong.
    """
    files = all_files = list(files)
    listed = None if spec is None else _read_classes(Path(spec))
    if isinstance(listed, DatasetFile):
        if listed.codec.pixels is None:
            require_one_palette(files, where=str(spec))
        file = Path(str(spec))
        codec = build_codec(_with_pixels(listed, files), where=file)
        return apply_mappings(codec, listed, file.parent) if is_mapped else codec
    if listed is not None:
        files = files[:: max(1, len(files) // _ENOUGH_MAPS)]
    hints = Hints(
        root=Path(all_files[0].path.parent),
        classes=listed,
        origin=str(spec) if listed is not None else "",
    )
    hints = read_by_color(hints, all_files)
    survey = survey_masks(
        files, total=len(files), by_color=hints.codec.pixels == "rgb", progress=progress
    )
    if survey.unreadable:
        raise DataError(survey.unreadable[0])
    codec, _ = infer_codec(survey, hints)
    return codec


def read_spec(spec: Path) -> LabelSpec:
    """The classes that a dataset.yaml or classes.txt lists, without any class map.

    Raises:
        ConfigError: The file is wrong, or the indices of classes.txt are not 0, 1, 2, ...
        DataError: No such file.
    """
    listed = _read_classes(spec)
    if isinstance(listed, DatasetFile):
        return build_codec(listed, where=spec).spec
    if sorted(listed) != list(range(len(listed))):
        indices = ", ".join(map(str, sorted(listed)))
        raise ConfigError(f"{spec}: indices {indices}; the classes of a model are 0, 1, 2, ...")
    return LabelSpec.from_names(tuple(listed[index].name for index in range(len(listed))))


def _read_drawn_codec(drawn: DrawnMaps, spec: Path | None) -> LabelCodec:
    """The codec of labels: the classes that they name, or those that `spec` lists."""
    if spec is None:
        return drawn.codec
    listed = _read_classes(spec)
    if not isinstance(listed, DatasetFile):
        listed = DatasetFile(classes=tuple(entry for _, entry in sorted(listed.items())))
    return apply_mappings(build_codec(listed, where=spec), listed, spec.parent)


def _read_classes(spec: Path) -> DatasetFile | dict[int, ClassEntry]:
    if not spec.is_file():
        raise DataError(f"{spec}: no such file; give a {FILE_NAME} or a {CLASSES_FILE}")
    if spec.suffix.lower() in {".yaml", ".yml"}:
        document = read_dataset_file(spec)
        if not document.classes:
            raise DataError(f"{spec}: lists no classes; write 'classes: [{{name: road}}, ...]'")
        return document
    return {index: ClassEntry(name=name) for index, name in read_classes_file(spec).items()}


def _with_pixels(document: DatasetFile, files: list[ImageRef]) -> DatasetFile:
    """The document, with the pixel kind of the first file where it states none."""
    if document.codec.pixels is not None:
        return document
    kind, _ = read_raw_as_stored(files[0])
    return document.model_copy(
        update={"codec": document.codec.model_copy(update={"pixels": kind})}
    )
