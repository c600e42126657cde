"""Labelbox: `part` is the format, `rows` reads its NDJSON, `masks` its mask files."""

from .part import recognises, scan

__all__ = ["recognises", "scan"]
