"""CVAT: `part` is the format, `index` finds the files, `elements` reads their XML."""

from .part import HOLDS, POLYGONS, finish, recognises, scan, write

__all__ = ["HOLDS", "POLYGONS", "finish", "recognises", "scan", "write"]
