"""Patterns of paths, such as `*/photo/*.jpg`, that say which files are images or masks.

Each `*` stands for a part of one name in a path; one at the end stands for a name with any
suffix. The parts that the stars stand for, joined by `/`, are the name of the image; a mask has
the name of its image. A first part that is named like a split is the split.
"""

import re
from pathlib import Path

from ...core.errors import ConfigError, DataError
from ..entries.scan import SPLITS, UNSPLIT, normalise_split
from ..entries.walk import image_files
from .image_pairs import Files

STAR = "*"


def find_by_pattern(root: Path, pattern: str, key: str) -> Files:
    """Find the images below `root` whose path a pattern describes; `key` is for messages.

    Raises:
        ConfigError: The pattern leads out of the folder.
        DataError: Two files have one name.
    """
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ConfigError(f"{root}: '{key}: {pattern}' leads out of the folder; remove '..'")
    texts = [re.escape(text) for text in pattern.removeprefix("./").split(STAR)]
    suffix = r"\.[^/.]+" if pattern.endswith(STAR) else ""
    expression = re.compile("([^/]+?)".join(texts) + suffix)
    files: Files = {}
    for image in image_files(root):
        match = expression.fullmatch(image.path.relative_to(root).as_posix())
        if match is None:
            continue
        first, *rest = match.groups() or (image.path.stem,)
        split = normalise_split(first)
        by_split = bool(rest) and split in SPLITS
        name = (split, "/".join(rest)) if by_split else (UNSPLIT, "/".join((first, *rest)))
        other = files.setdefault(name, image)
        if other is not image:
            raise DataError(
                f"{image}: has the name {name[1]!r} by '{key}: {pattern}', and so has "
                f"{other.path.name}; put a '{STAR}' wherever the paths differ"
            )
    return files
