"""nnU-Net: `part` is the format, `table` reads its JSON files."""

from .part import recognises, scan

__all__ = ["recognises", "scan"]
