"""V7 Darwin: `part` is the format, `documents` reads its JSON files."""

from .part import HOLDS, codec_for, finish, recognises, scan, write

__all__ = ["HOLDS", "codec_for", "finish", "recognises", "scan", "write"]
