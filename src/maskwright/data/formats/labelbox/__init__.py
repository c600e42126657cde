"""Labelbox: `part` is the format, `rows` reads its NDJSON."""

from .part import recognises, scan

__all__ = ["recognises", "scan"]
