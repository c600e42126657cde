"""ADE20K: `part` is the format, `names` the class names of its scene parsing benchmark."""

from .part import recognises, scan

__all__ = ["recognises", "scan"]
