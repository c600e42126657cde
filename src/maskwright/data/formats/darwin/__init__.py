"""V7 Darwin: `part` is the format, `documents` reads its JSON files."""

from .part import HOLDS, recognises, scan, write

__all__ = ["HOLDS", "recognises", "scan", "write"]
