"""The search of the documentation works from disk and without a network."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIM = "javascripts/iframe-worker.js"


def test_the_theme_takes_the_worker_of_this_repository():
    """The plugin adds one of the network unless a file of this name is listed."""
    assert f"polyfills: [{SHIM}]" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "iframe-worker" in SHIM
    assert "http" not in (ROOT / "docs" / SHIM).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_worker_runs_in_a_page_that_is_opened_from_disk(tmp_path, window):
    (tmp_path / "shim.js").write_text((ROOT / "docs" / SHIM).read_text(encoding="utf-8"))
    (tmp_path / "more.js").write_text("self.factor = 2")
    (tmp_path / "worker.js").write_text(
        'addEventListener("message", async event => {'
        ' await importScripts("more.js"); postMessage(factor * event.data); })'
    )
    page = tmp_path / "page.html"
    page.write_text(
        '<script src="shim.js"></script><body><script>'
        'const worker = new Worker(new URL("worker.js", location).href);'
        'worker.addEventListener("message", e => { document.title = `got ${e.data}`; });'
        "worker.postMessage(21);</script>"
    )
    window.open(page)
    window.wait_for("document.title === 'got 42'")
