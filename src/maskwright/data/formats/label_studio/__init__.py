"""Label Studio: `part` is the format, `tasks` reads its JSON, `rlepack` its run lengths."""

from .part import HOLDS, OUTLINE_FILL, finish, recognises, scan, write

__all__ = ["HOLDS", "OUTLINE_FILL", "finish", "recognises", "scan", "write"]
