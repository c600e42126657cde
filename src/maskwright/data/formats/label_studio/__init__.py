"""Label Studio: `part` is the format, `tasks` reads its JSON, `rlepack` its run lengths."""

from .part import HOLDS, POLYGONS, finish, recognises, scan, write

__all__ = ["HOLDS", "POLYGONS", "finish", "recognises", "scan", "write"]
