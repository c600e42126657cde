"""BandState: how far the prediction of one large image has come, so that it can be resumed.

    OUT.partial/.begun/<key>/state.npz   what the next band needs of those before it
    OUT.partial/.begun/<key>/<kind>      the rows of each output that are written so far

The state is written after the rows, so it never says more than the files hold. Rows behind the
marks of the state are dropped when the image is resumed.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..core.atomic import new_file
from ..core.image import Image, ValidMap
from ..core.labels import LabelMap
from ..pages.pngfile import Mark
from .tiledimage import Carry

STATE = "state.npz"


def name_rows(folder: Path, kind: str) -> Path:
    """The file in `folder` with the rows of a kind of output, without its type of values."""
    return folder / kind.partition(":")[0]


class Tally(NamedTuple):
    """What is counted and sampled of the rows that are done.

    `counts_C` are pixels by class, `sample_hwC` and `valid_hw` every `step`-th row and column
    of the image, `above_1W` the last row of labels.
    """

    counts_C: NDArray[np.int64]
    sample_hwC: Image
    valid_hw: ValidMap
    above_1W: LabelMap
    step: int


class BandState(NamedTuple):
    """What is done after some bands; `marks` say how much of each output is written."""

    carry: Carry
    tally: Tally
    marks: Mapping[str, Mark]

    def save(self, folder: Path, content: object) -> None:
        """Write the state; `content` identifies the file of the image."""
        notes = {"content": content, "marks": self.marks}
        arrays = {**self.carry._asdict(), **self.tally._asdict()}
        with new_file(folder / STATE) as file:
            np.savez(file, notes=np.array(json.dumps(notes)), **arrays)

    @classmethod
    def load(cls, folder: Path, content: object) -> Self | None:
        """Read the state; None where there is none, or that of another content of the file."""
        try:
            with np.load(folder / STATE, allow_pickle=False) as found:
                values = {k: found[k] if found[k].ndim else found[k].item() for k in found}
            notes = json.loads(values["notes"])
            marks = {name: Mark(*mark) for name, mark in notes["marks"].items()}
            carry = Carry(**{name: values[name] for name in Carry._fields})
            tally = Tally(**{name: values[name] for name in Tally._fields})
            names = {"notes", *Carry._fields, *Tally._fields}
            is_same = bool(notes["content"] == json.loads(json.dumps(content)))
            is_same &= values.keys() == names  # else it is that of an earlier version
        except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
            return None
        paths = {name_rows(folder, kind): mark for kind, mark in marks.items()}
        fits = all(p.is_file() and p.stat().st_size >= m.num_bytes for p, m in paths.items())
        return cls(carry, tally, marks) if is_same and fits else None
