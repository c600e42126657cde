"""The nouns, on NumPy alone; YAML, pydantic and OpenCV are imported where they are needed."""

from .codec import LabelCodec
from .confusion import Confusion
from .inputspec import InputSpec
from .labels import IGNORE, ClassDef, LabelMap, LabelSpec
from .report import Report
from .sample import Sample

__all__ = [
    "IGNORE",
    "ClassDef",
    "Confusion",
    "InputSpec",
    "LabelCodec",
    "LabelMap",
    "LabelSpec",
    "Report",
    "Sample",
]
