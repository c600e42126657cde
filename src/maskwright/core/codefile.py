"""How a network of the user's own is named: `PATH.py:FUNCTION`, once read with `#HASH` behind.

A card or a recipe holds such a name as text. Nothing here, and nothing that opens a Bundle,
runs the file that it names.
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
        """What `text` names; None where it is no such name."""
        found = _PATTERN.fullmatch(text)
        if found is None:
            return None
        return cls(Path(found["file"]), found["function"], found["digest"] or "")

    def __str__(self) -> str:
        return f"{self.file}:{self.function}" + (f"#{self.digest}" if self.digest else "")

    @property
    def beside(self) -> Self:
        """The same, in the folder of whatever holds the name."""
        return type(self)(Path(self.file.name), self.function, self.digest)
