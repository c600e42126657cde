"""Keys and names without names of people: what a scan finds, with pseudonyms in place of them.

Names of files and folders are the user's own and stay, but where they contain what the header
of their DICOM file says of the patient or the examination, a hash stands for that part. Files
on disk keep their names.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from ...core.pseudonyms import hide, keeps_ids, learn, learn_key
from ...pages.text import format_subject
from ..pixels.imageref import ImageRef
from ..pixels.pseudonyms import Pseudonyms, find_key_folder, open_pseudonyms, read_identity
from .annotation import Labels
from .scan import Entry, LeftOut, Scan
from .walk import files_below

_LEAST_ALONE = 6
"""Identifiers from this length on are hidden in messages wherever they stand."""


@dataclass(slots=True)
class NameHider:
    """Hides what headers say in names below `root`; `num_hidden` counts files."""

    root: Path
    pseudonyms: Pseudonyms
    values: Mapping[Path, tuple[str, ...]]
    num_hidden: int = field(default=0, init=False)

    @classmethod
    def open(
        cls,
        root: Path,
        files: Iterable[Path],
        *,
        save: bool = False,
        others: Mapping[str, tuple[str, ...]] | None = None,
    ) -> "NameHider | None":
        """None where no header names anyone.

        `others` has the values for files without a header, by their names without suffix.
        """
        found = {file: read_identity(file) for file in dict.fromkeys(files)}
        found = {file: v or (others or {}).get(file.stem, ()) for file, v in found.items()}
        named = {file: values for file, values in found.items() if values}
        if not named:
            return None
        pseudonyms = open_pseudonyms(root, named, save=save)
        hider = cls(root, pseudonyms, named)
        for value in {value for values in named.values() for value in values}:
            if len(value) >= _LEAST_ALONE and ("^" in value or any(map(str.isdigit, value))):
                learn(value, pseudonyms.name(value))
        return hider

    def hide_image(self, image: ImageRef, values: Iterable[str]) -> ImageRef:
        """The image with a text form that names nobody, outside of `keeping_ids`."""
        if keeps_ids.get():
            return image
        by_file = image.series is not None and image.series.by_file
        path = image.file if by_file else image.shown_file
        hidden = self.hide_path(path, values)
        return image if hidden == path else image.rename(hidden)

    def hide_path(self, path: Path, values: Iterable[str]) -> Path:
        """The path; its parts below the root name nobody."""
        inside = path.is_relative_to(self.root)
        relative = path.relative_to(self.root) if inside else PurePath(path.name)
        parts = [self.pseudonyms.replace(part, values) for part in relative.parts]
        for part, hidden in zip(relative.parts, parts, strict=True):
            if part != hidden:
                learn(part, hidden)
                if any(map(str.isalpha, PurePath(part).suffix)):  # not the end of a UID
                    learn(PurePath(part).stem, PurePath(hidden).stem)
        return (self.root if inside else path.parent).joinpath(*parts)

    def hide_key(self, key: str, values: Iterable[str]) -> str:
        """The key, or the group, without names."""
        hidden = self.pseudonyms.replace(key, values)
        if hidden != key:
            learn_key(key, hidden)
        return key if keeps_ids.get() else hidden

    def hide_entry(self, entry: Entry) -> Entry:
        """The entry with a key, a group and text forms that name nobody."""
        values = [
            value
            for file in _list_files((entry.image, *entry.masks))
            for value in self.values.get(file, ())
        ]
        if not values:
            return entry
        image = self.hide_image(entry.image, values)
        self.num_hidden += image != entry.image and not image.page

        def hide_labels(labels: Labels | None) -> Labels | None:
            return self.hide_image(labels, values) if isinstance(labels, ImageRef) else labels

        return replace(
            entry,
            key=self.hide_key(entry.key, values),
            group=self.hide_key(entry.group, values),
            image=image,
            labels=hide_labels(entry.labels),
            votes=tuple(map(hide_labels, entry.votes)),
        )

    @property
    def note(self) -> str:
        """One sentence with the number of files; "" where no name was hidden."""
        if not self.num_hidden:
            return ""
        counted = format_subject(self.num_hidden, "file is", "files are")
        return (
            f"names of {counted} shown with a hash in place of what their headers say of the "
            f"patient or the examination; --keep-ids shows them as they are"
        )


def _list_files(labels: Iterable[Labels]) -> Iterator[Path]:
    """The files of images and masks; the shapes of annotation files are read elsewhere."""
    for one in labels:
        if isinstance(one, ImageRef):
            yield from one.files


def hide_images(
    images: Iterable[tuple[str, ImageRef]], folder: Path
) -> tuple[list[tuple[str, ImageRef]], str]:
    """Keys and images that are read without a dataset, as `hide_names` does, and its note.

    Masks below the folder of a key are named as the DICOM files there.
    """
    images = list(images)
    files = _list_files(image for _, image in images)
    place = find_key_folder(folder)
    named = () if place is None else files_below(place, (".dcm", ".dicom"))
    others = {file.stem: read_identity(file) for file in named}
    hider = NameHider.open(folder, files, others=others)
    if hider is None:
        return images, ""
    hidden = []
    for key, image in images:
        values = [v for file in image.files for v in hider.values.get(file, ())]
        hidden.append((hider.hide_key(key, values), hider.hide_image(image, values)))
        hider.num_hidden += hidden[-1][1] != image and not image.page
    return hidden, hider.note


def hide_names(scan: Scan, root: Path, *, save: bool) -> Scan:
    """The scan, with pseudonyms in keys, groups, text forms and notes.

    `save` writes the key of the pseudonyms beside the data, where names are hidden.
    """
    files = _list_files(one for e in scan.entries for one in (e.image, *e.masks))
    hider = NameHider.open(root, files, save=save)
    if hider is None:
        return scan
    entries = tuple(map(hider.hide_entry, scan.entries))
    left_out = (LeftOut(i.reason, tuple(map(hide, i.names))) for i in scan.left_out)
    notes = (*map(hide, scan.notes), *([hider.note] if hider.note else []))
    return replace(scan, entries=entries, left_out=tuple(left_out), notes=notes)
