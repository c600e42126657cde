"""CVAT: `part` is the format, `index` finds the files, `elements` reads their XML."""

from .part import HOLDS, codec_for, finish, recognises, scan, write

__all__ = ["HOLDS", "codec_for", "finish", "recognises", "scan", "write"]
