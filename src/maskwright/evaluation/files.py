"""A report on disk: report.json, report.html and its attachments, all or none."""

import json
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..core.atomic import into_folder
from ..core.report import Report
from .render import render


def write_report(report: Report, out: Path | str) -> None:
    """Write report.json, report.html and images.csv into `out`, all or none.

    Raises:
        OutputError: `out` cannot be written.
    """
    document = report.to_json()
    page = render(report)
    with into_folder(Path(out)) as staging:
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        (staging / "report.json").write_text(text, encoding="utf-8")
        (staging / "report.html").write_text(page, encoding="utf-8")
        for name, content in report.attachments.items():
            with (staging / name).open("wb") as file:
                file.writelines(content)


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Versions of Python and of those of `packages` that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # torch is not there on a machine that only serves
    return found
