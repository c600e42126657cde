"""BraTS: a folder per case, with a volume per channel and one of labels.

    <case>/<case>_t1.nii.gz  _t1ce  _t2  _flair  _seg         up to 2021
    <case>/<case>-t1n.nii.gz  -t1c  -t2w  -t2f  -seg          from 2023 on

The channels are named as the files are; `bands` of dataset.yaml chooses some. A case without
labels is in the split test. The slices of a case are one group, and so are the cases of one
patient (`BraTS-GLI-00001-000` and `BraTS-GLI-00001-001`). The classes are those that occur:
their values mean different things in the years and tasks of the challenge.
Source: synapse.org, BraTS 2020 (syn21603065) and 2023 (syn51156910), "Data".
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from ...core.errors import DataError
from ...pages.text import list_names
from ..classes.dataset_yaml import DatasetFile
from ..entries.scan import UNSPLIT, Entry, Scan
from ..entries.walk import files_below, images_in
from ..pixels.bands import join_scene, split_name

CHANNELS = (("t1", "t1ce", "t2", "flair"), ("t1n", "t1c", "t2w", "t2f"))
_SEG = "seg"
_SUFFIXES = (".nii", ".nii.gz")
_ENDED = re.compile(r"(?P<case>.+)[_-](?P<name>[a-z0-9]+)", re.IGNORECASE)
_TIME = re.compile(r"(?P<patient>BraTS-[A-Za-z]+-\d+)-\d{3}")
_LOOKED_AT = 12
"""First volumes by which the layout is recognised."""

Cases = dict[Path, dict[str, Path]]
"""Files by the name of the channel, by the folder and name of the case."""


def recognises(root: Path) -> bool:
    """Whether a case of the first volumes has labels and the channels of one list."""
    if not root.is_dir():
        return False
    cases = _find_cases(islice(files_below(root, _SUFFIXES), _LOOKED_AT))
    return any(
        _SEG in files and any(files.keys() >= {*channels} for channels in CHANNELS)
        for files in cases.values()
    )


def scan(root: Path, document: DatasetFile) -> Scan:
    """Join the channels of each case, and pair its slices with those of its labels.

    Raises:
        DataError: No case has labels and channels, or one lacks a channel.
    """
    cases = _find_cases(files_below(root, _SUFFIXES))
    bands = document.bands or _choose_channels(root, cases)
    entries = list[Entry]()
    lone = list[Path]()
    for place, files in cases.items():
        missing = [name for name in bands if name.lower() not in files]
        if len(missing) == len(bands):
            lone += files.values()
            continue
        if missing:
            raise DataError(
                f"{place}: has no file of {list_names(missing)}; a case has all channels, "
                f"{', '.join(bands)}: add the file, or choose `bands` in dataset.yaml"
            )
        entries += _list_slices(place, files, bands)
    return Scan(
        entries=tuple(entries),
        lone_masks=tuple(lone),
        notes=(f"channels are {', '.join(bands)}, by the names of the files",),
    )


def _find_cases(files: Iterable[Path]) -> Cases:
    cases: Cases = defaultdict(dict)
    for file in files:
        match = _ENDED.fullmatch(split_name(file)[0])
        if match is not None:
            cases[file.with_name(match["case"])][match["name"].lower()] = file
    return cases


def _choose_channels(root: Path, cases: Cases) -> tuple[str, ...]:
    for channels in CHANNELS:
        if any(files.keys() >= {_SEG, *channels} for files in cases.values()):
            return channels
    raise DataError(
        f"{root}: no case has labels and the channels of BraTS; expected a/a_t1.nii.gz, "
        f"a_t1ce, a_t2, a_flair and a_seg, or a-t1n.nii.gz, a-t1c, a-t2w, a-t2f and a-seg"
    )


def _list_slices(place: Path, files: dict[str, Path], bands: tuple[str, ...]) -> list[Entry]:
    image = join_scene(place, [files[name.lower()] for name in bands], bands)
    masks = {m.page: m for m in images_in(files[_SEG])} if _SEG in files else {}
    match = _TIME.fullmatch(place.name)
    return [
        Entry(
            key=place.name if page.page is None else f"{place.name}__{page.page:04}",
            split=UNSPLIT if masks else "test",
            image=page,
            labels=masks.get(page.page),
            group=match["patient"] if match else place.name,
        )
        for page in images_in(image)
    ]
