"""CVAT: `part` is the format, `index` finds the files, `elements` reads their XML."""

from .part import HOLDS, OUTLINE_FILL, finish, recognises, scan, write

__all__ = ["HOLDS", "OUTLINE_FILL", "finish", "recognises", "scan", "write"]
