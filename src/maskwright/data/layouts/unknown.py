"""What is in a folder whose layout is not known, and a line of dataset.yaml that fits it.

The line is tried before it is proposed: the folder is scanned with it, and at least half of the
images have labels.
"""

import csv
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations, islice
from pathlib import Path

from ...core.errors import MaskwrightError
from ..classes.dataset_yaml import DatasetFile
from ..entries.format import load_format
from ..entries.walk import UNREAD_SUFFIXES, files_below, folders, image_files, name_images
from ..pixels.imageref import ImageRef
from ..pixels.images import image_suffixes
from ..reading.archive import SUFFIXES as ARCHIVES
from ..reading.documents import peek
from .image_pairs import looks_like_mask
from .pairing import find_naming

_USUAL = (
    "name them 'images' and 'masks', or write their names in dataset.yaml: "
    "{images: photos, masks: truth}"
)
_NOT_READ = (*UNREAD_SUFFIXES, ".mat", ".npy", ".npz")
_MOST_SHOWN = 5
_MOST_FILES = 2000
"""Files that are looked at to find a rule for their names."""

_ENDING = re.compile(r"[-_. ][^-_. ]+$")
_YOLO_LINE = re.compile(r"\d+( -?\d*\.?\d+){4,}\s*")


def describe_unknown(root: Path) -> str:
    """One message: what was expected, what is there, and the line that makes it work."""
    seen = "; ".join(islice(_list_seen(root), _MOST_SHOWN)) or "no images"
    counts = ((line, _count_labelled(root, document)) for line, document in _propose(root))
    fitting = [(n, total, line) for line, (n, total) in counts if 2 * n >= total > 0]
    fix = _USUAL
    if fitting:
        labelled, total, line = max(fitting, key=lambda item: item[0] / item[1])
        fix = (
            f"write this line into {root / 'dataset.yaml'}, with which {labelled} of {total} "
            f"images have a mask: {line}"
        )
    elif (names := _name_yolo_classes(root)) is not None:
        fix = f"write the names of the classes into {root / 'data.yaml'}, as 'names: {names}'"
    return f"{root}: expected a folder of images beside a folder of masks, found {seen}; {fix}"


def describe_texts(root: Path) -> str | None:
    """The message on text files of YOLO whose classes have no names; None where none are."""
    texts, names = _find_yolo_texts(root), _name_yolo_classes(root)
    if not texts or names is None:
        return None
    return (
        f"{root}: found {_count_texts(root, texts)}; write the names of the classes into "
        f"{root / 'data.yaml'}, as 'names: {names}'"
    )


def _count_texts(root: Path, texts: list[Path]) -> str:
    folder = texts[0].parent.relative_to(root)
    return f"{len(texts)} {folder}/*.txt with corners, but no names of classes"


def _list_seen(root: Path) -> Iterator[str]:
    """What is there, the most telling first: tables, pairs of names, folders, other files."""
    for path in islice(sorted(root.rglob("*.csv")), 2):
        if columns := _read_columns(path):
            yield f"{path.relative_to(root)} with columns {', '.join(columns)}"
    if texts := _find_yolo_texts(root):
        yield _count_texts(root, texts)
    pairs = _find_endings(root)
    if pairs is not None:
        kinds, first, second, count = pairs
        most = "at least " if 2 * count >= _MOST_FILES else ""
        yield f"{most}{2 * count} {kinds} in pairs x{first} / x{second}"
    for name in folders(root):
        yield f"{name} ({counted})" if (counted := _count_kinds(root / name)) else name
    yield from _list_files(root, paired=pairs is not None)


def _list_files(root: Path, *, paired: bool) -> Iterator[str]:
    """Images and archives directly in `root`; images in pairs are listed as such."""
    files = [path for path in sorted(root.iterdir()) if path.is_file()]
    kinds = Counter(path.suffix.lower() for path in files)
    images = {kind: n for kind, n in kinds.items() if kind in (*image_suffixes(), *_NOT_READ)}
    if not folders(root):
        yield "no folders"
    if images and not paired:
        yield f"{_list_kinds(Counter(images))} beside them"
    for path in files:
        if path.name.lower().endswith(ARCHIVES):
            yield f"the archive {path.name}, whose path may be given instead"


def _count_kinds(folder: Path) -> str:
    """The images below a folder by kind: `6 JPG, 2 PNG`."""
    files = files_below(folder, (*image_suffixes(), *_NOT_READ))
    kinds = Counter(path.suffix.lower() for path in islice(files, _MOST_FILES))
    return _list_kinds(kinds)


def _list_kinds(kinds: Counter[str]) -> str:
    return ", ".join(
        f"{count} {kind.removeprefix('.').upper()}{' (not read)' if kind in _NOT_READ else ''}"
        for kind, count in kinds.most_common(3)
    )


def _read_columns(path: Path) -> list[str]:
    head = peek(path).lstrip("\ufeff").splitlines()[:1]
    with suppress(csv.Error):
        return [column.strip() for row in csv.reader(head) for column in row][:8]
    return []


def _propose(root: Path) -> Iterator[tuple[str, DatasetFile]]:
    """Lines of dataset.yaml, the likeliest first."""
    for images, masks in (*_pair_folders(root), *_pair_names(root), *_pair_endings(root)):
        line = f'{{images: "{images}", masks: "{masks}"}}'
        yield line, DatasetFile(images=images, masks=masks)


def _count_labelled(root: Path, document: DatasetFile) -> tuple[int, int]:
    """Images with labels and all images that a scan finds; zeros where it refuses."""
    with suppress(MaskwrightError):
        entries = load_format("mask_folder").scan(root, document).entries
        return sum(entry.labels is not None for entry in entries), len(entries)
    return 0, 0


def _list_some(root: Path) -> list[ImageRef]:
    return list(islice(image_files(root), _MOST_FILES))


def _order(a: list[ImageRef], b: list[ImageRef]) -> bool | None:
    """Whether the second files are masks and the first are not; None where that is unclear."""
    masks = [all(looks_like_mask(image) for image in files[:3]) for files in (a, b)]
    return None if masks[0] == masks[1] else masks[1]


def _pair_folders(root: Path) -> Iterator[tuple[str, str]]:
    """Two folders of which one looks like masks, whose names of files go together."""
    tops = folders(root)
    paths = [*tops, *(f"{top}/{name}" for top in tops for name in folders(root / top))]
    named = {path: _list_some(root / path) for path in paths}
    for a, b in combinations([path for path in paths if named[path]], 2):
        second = _order(named[a], named[b])
        if second is None:
            continue
        images, masks = (a, b) if second else (b, a)
        names = (set(name_images(named[path], root / path)) for path in (images, masks))
        if find_naming(*names) is not None:
            yield images, masks


def _pair_names(root: Path) -> Iterator[tuple[str, str]]:
    """Two names of files that every sample has in a folder of its own."""
    by_name: dict[str, list[ImageRef]] = defaultdict(list)
    for image in _list_some(root):
        parts = image.path.relative_to(root).parts
        by_name["/".join(("*",) * (len(parts) - 1) + parts[-1:])].append(image)
    common = [name for name, files in by_name.items() if len(files) > 1 and "/" in name]
    for a, b in combinations(common[:10], 2):
        if (second := _order(by_name[a], by_name[b])) is not None:
            yield (a, b) if second else (b, a)


_Endings = tuple[list[ImageRef], list[ImageRef], str, str]
"""Files of each ending, and the two endings."""


def _group_endings(root: Path) -> _Endings | None:
    """The two endings of names before the suffix that most stems have both."""
    by_ending: dict[str, dict[str, ImageRef]] = defaultdict(dict)
    for image in _list_some(root):
        path = image.path.relative_to(root)
        match = _ENDING.search(path.stem)
        for ending in {match[0] if match else "", ""}:
            stem = path.stem.removesuffix(ending) if ending else path.stem
            by_ending[ending][f"{path.parent.as_posix()}/{stem}"] = image
    counted = [
        (len(by_ending[a].keys() & by_ending[b].keys()), a, b)
        for a, b in combinations(sorted(by_ending), 2)
    ]
    count, a, b = max(counted, default=(0, "", ""))
    if not count or count * 4 < sum(1 for _ in _list_some(root)):
        return None
    both = sorted(by_ending[a].keys() & by_ending[b].keys())
    return [by_ending[a][s] for s in both], [by_ending[b][s] for s in both], a, b


def _find_endings(root: Path) -> tuple[str, str, str, int] | None:
    """Kinds of files, the two endings and the number of pairs."""
    grouped = _group_endings(root)
    if grouped is None:
        return None
    first, second, a, b = grouped
    kinds = sorted({f.path.suffix.removeprefix(".").upper() for f in (*first, *second)})
    return " and ".join(kinds), a, b, len(first)


def _pair_endings(root: Path) -> Iterator[tuple[str, str]]:
    """Patterns of two endings."""
    grouped = _group_endings(root)
    if grouped is None:
        return
    first, second, a, b = grouped
    patterns = []
    for files, ending in ((first, a), (second, b)):
        suffixes = {file.path.suffix for file in files}
        depths = {len(file.path.relative_to(root).parts) for file in files}
        if len(suffixes) > 1 or len(depths) > 1:
            return
        patterns.append("*/" * (depths.pop() - 1) + f"*{ending}{suffixes.pop()}")
    if (order := _order(first, second)) is not None:
        yield (patterns[0], patterns[1]) if order else (patterns[1], patterns[0])


def _find_yolo_texts(root: Path) -> list[Path]:
    """Text files in folders called labels whose first line has a class and corners."""
    texts = [p for p in files_below(root, {".txt"}) if "labels" in p.relative_to(root).parts]
    first = next((line for text in texts[:10] if (line := peek(text, 4096).strip())), "")
    return texts if _YOLO_LINE.match(first) else []


def _name_yolo_classes(root: Path) -> str | None:
    """Names of classes for text files of YOLO, tried on a copy of links; None without."""
    texts = _find_yolo_texts(root)
    with suppress(MaskwrightError, OSError, ValueError):
        lines = [line for text in texts[:_MOST_FILES] for line in text.read_text().splitlines()]
        numbers = [int(line.split(maxsplit=1)[0]) for line in lines if line.strip()]
        if not numbers or max(numbers) > 254:
            return None
        names = f"[{', '.join(f'class_{n}' for n in range(max(numbers) + 1))}]"
        with tempfile.TemporaryDirectory(prefix="maskwright.") as folder:
            for path in root.iterdir():
                (Path(folder) / path.name).symlink_to(path.resolve())
            (Path(folder) / "data.yaml").write_text(f"names: {names}\n", encoding="utf-8")
            if load_format("yolo").scan(Path(folder), DatasetFile()).entries:
                return names
    return None
