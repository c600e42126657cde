"""The name of a network in a user's file: `PATH.py:FUNCTION`, or `PATH.py:FUNCTION#HASH`.

A card or a recipe holds such a name as text. Neither this module nor anything that opens a
Bundle runs the file.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PATTERN = re.compile(
    r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)(#(?P<digest>[0-9a-f]{12}))?"
)


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A function in a Python file; `digest` begins the SHA-256 of the file, or is empty."""

    file: Path
    function: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `text`; None if it does not have this form."""
        match = _PATTERN.fullmatch(text)
        if match is None:
            return None
        return cls(Path(match["file"]), match["function"], match["digest"] or "")

    def __str__(self) -> str:
        return f"{self.file}:{self.function}" + (f"#{self.digest}" if self.digest else "")

    @property
    def beside(self) -> Self:
        """The same function, in a copy of the file beside the document that names it."""
        return type(self)(Path(self.file.name), self.function, self.digest)
