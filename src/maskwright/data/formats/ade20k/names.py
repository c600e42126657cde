"""The 150 class names of ADE20K's scene parsing benchmark, and the shortening of its names.

Source: objectInfo150.txt of github.com/CSAILVision/sceneparsing, the first word of each line.
"""

from collections import Counter
from collections.abc import Sequence


def shorten_names(names: Sequence[str]) -> tuple[str, ...]:
    """Cut each name to its first synonym, `person` of `person, individual, someone`.

    A name keeps all its synonyms where another name has the same first one.
    """
    first = [name.split(",")[0].strip() for name in names]
    counts = Counter(first)
    return tuple(
        short if short and counts[short] == 1 else name.strip()
        for short, name in zip(first, names, strict=True)
    )
