"""An import and an export in the page: how far they are, in all pages, and how they end."""

import io
import socket
import threading
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import uvicorn
from PIL import Image
from tests.studio.driving import click, open_page

from maskwright.studio import importing
from maskwright.studio.api import make_app
from maskwright.studio.guard import Guard
from maskwright.studio.live import News

TEXT = "document.querySelector('#job-text').textContent"
CHIP = "document.querySelector('#show-job')"
SEND = """(bytes => { const file = new File([Uint8Array.from(bytes)], 'from ann.zip');
  const chosen = new DataTransfer(); chosen.items.add(file);
  document.querySelector('#import-file').files = chosen.files;
  document.querySelector('#import-form').requestSubmit(); })"""


def _pack_masks(photos, size_HW=(300, 520)):
    content, mask = io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros(size_HW, np.uint8)).save(mask, "PNG")
    with zipfile.ZipFile(content, "w") as archive:
        for image in sorted(photos.glob("*.*")):
            archive.writestr(f"{image.stem}.png", mask.getvalue())
    return [*content.getvalue()]


def _show_work(browser):
    click(browser, "#show-board")
    browser.wait_for("document.querySelector('#board').open")
    click(browser, "[data-part=work]")


def test_an_import_and_an_export_end_in_the_page_with_numbers_and_reasons(
    browser, studio, photos
):
    open_page(browser, studio.link)
    _show_work(browser)
    assert browser.value("document.querySelector('#job').hidden")
    browser.value(f"{SEND}({_pack_masks(photos, (9, 9))})")
    browser.wait_for(f"{TEXT}.startsWith('0 images have the imported labels.')")
    assert "is (300, 520) (H, W), the labels are (9, 9); give labels" in browser.value(TEXT)
    browser.value(f"{SEND}([1, 2, 3])")
    browser.wait_for(f"{TEXT}.startsWith('The import of from ann.zip: ')")
    browser.value(f"{SEND}({_pack_masks(photos)})")
    browser.wait_for(f"{TEXT} === '3 images have the imported labels.'")
    click(browser, "#export-form button")
    browser.wait_for(f"{TEXT}.includes('no image is accepted yet; submit and accept some')")
    assert browser.value("document.querySelector('#job-save').hidden")
    for verb in ("submit", "accept"):
        browser.value(
            f"window.done = 0, fetch('/api/items/1/steps/{verb}', {{method: 'POST', headers: "
            "{'X-Maskwright': 'studio', 'X-Client': 'page-test', 'If-Match': '1'}})"
            ".then(() => { window.done = 1; }), 0"
        )
        browser.wait_for("window.done")
    click(browser, "#export-form button")
    name = "photos-accepted-mask_folder.zip"
    browser.wait_for(f"{TEXT}.startsWith('{name}: 1 image, ')")
    browser.value("window.is_old = 1, location.reload()")  # the file is still there
    browser.wait_for(
        "!window.is_old && document.querySelector('#job-save')?.hidden === false && "
        f"{TEXT}.startsWith('{name}')"
    )


@pytest.fixture
def held_import(monkeypatch):
    """Each image of an import waits: the test lets them go on, one by one."""
    goes_on = threading.Semaphore(0)
    replace = importing._replace

    def hold(*arguments):
        assert goes_on.acquire(timeout=60)
        replace(*arguments)

    monkeypatch.setattr(importing, "_replace", hold)
    yield goes_on
    goes_on.release(99)


@contextmanager
def _serve(project):
    """The application in this process; the link of its page."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        guard, news = Guard(project.store, port), News()
        config = uvicorn.Config(make_app(project, guard, news), log_config=None)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/?token={guard.token}"
        finally:
            news.close()
            server.should_exit = True
            thread.join(60)


def test_each_page_finds_the_job_that_runs_and_cancels_it(
    browser, project, photos, held_import
):
    with _serve(project) as link:
        open_page(browser, link)
        _show_work(browser)
        browser.value(f"{SEND}({_pack_masks(photos)})")
        running = "The import of from ann.zip: importing, {} of 3"
        browser.wait_for(f"{TEXT} === '{running.format(0)}'")
        held_import.release()
        browser.wait_for(f"{CHIP}.textContent === '{running.format(1)}'")
        browser.visit(link.partition("?")[0], width_px=390)  # as another page
        browser.wait_for(f"{CHIP}?.textContent === '{running.format(1)}'")
        assert browser.value("document.documentElement.scrollWidth") <= 390
        click(browser, "#show-job")
        browser.wait_for("document.querySelector('#board').open")
        assert browser.value("document.querySelector('#job-bar').value") == 1
        click(browser, "#export-form button")
        browser.wait_for(f"{TEXT}.includes('is running, 1 of 3 are done; wait for its end')")
        browser.wait_for(f"{TEXT}.startsWith('{running.format(1)}')")
        click(browser, "#job-cancel")
        held_import.release()
        browser.wait_for(f"{TEXT}.includes('was cancelled. 2 images have the imported labels')")
        assert browser.value(f"{CHIP}.hidden")
        browser.value("document.querySelector('#board').close()")
        states = "[...document.querySelectorAll('#list .state')].map(e => e.textContent).join()"
        browser.wait_for(f"{states} === 'in progress,in progress,new'")
