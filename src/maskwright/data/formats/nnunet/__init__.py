"""nnU-Net: `part` reads the format, `table` its JSON files, `writing` writes it."""

from .part import HOLDS, list_notes, recognises, scan
from .writing import codec_for, finish, write

__all__ = ["HOLDS", "codec_for", "finish", "list_notes", "recognises", "scan", "write"]
