"""A comparison on disk: compare.json and compare.html, both or neither."""

import json
from pathlib import Path

from ..core.atomic import into_folder
from .compare import Comparison
from .compare_page import render_comparison


def write_comparison(comparison: Comparison, out: Path | str) -> None:
    """Write compare.json and compare.html into `out`, both or neither.

    Raises:
        OutputError: `out` cannot be written.
    """
    text = json.dumps(comparison.to_json(), indent=1, allow_nan=False) + "\n"
    page = render_comparison(comparison)
    with into_folder(Path(out)) as staging:
        (staging / "compare.json").write_text(text, encoding="utf-8")
        (staging / "compare.html").write_text(page, encoding="utf-8")
