"""The notebook of the docs runs, and its results show themselves."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs/notebook.ipynb"
SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of the kernel's packages
def test_the_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert not [cell for cell in book.cells if cell.get("outputs")], "clear the outputs"
    NotebookClient(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", ())]
    kinds = [set(output.get("data", ())) for output in shown]
    assert sum("text/html" in kind for kind in kinds) == 3  # audit, run, report
    assert sum("image/png" in kind for kind in kinds) == 1  # prediction
    printed = "".join(output.get("text", "") for output in shown)
    assert "there is a run already; continue it with resume=True" in printed
