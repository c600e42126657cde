"""Use the page of the studio in Chromium by pointer and keys, as a person does."""

import json
import time

READY = "document.body?.dataset.ready && document.querySelector('#saved').textContent"
STATE = "document.querySelector('header .state').className"
SAVED = "document.querySelector('#saved').textContent === 'saved'"
KEYS = {"Enter": 13, " ": 32, "ArrowRight": 39, "ArrowDown": 40, "PageDown": 34}


def open_page(browser, address, **options):
    browser.visit(address, **options)
    browser.wait_for(READY)


def drag(browser, *points, button="left"):
    kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
    for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
        browser.ask(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button=button,
            buttons=int(kind != "mouseReleased"),
            clickCount=1,
        )


def press(browser, key, modifiers=0):
    for kind in ("keyDown", "keyUp"):
        code = KEYS.get(key, ord(key[0].upper()))
        event = {"type": kind, "key": key, "windowsVirtualKeyCode": code}
        browser.ask("Input.dispatchKeyEvent", **event, modifiers=modifiers)


def find_scale(browser, size_HW):
    """Screen pixels for one pixel of the image, and the image's corner on the screen."""
    height, width = size_HW
    return browser.value(
        f"(box => {{ const scale = Math.min(box.width / {width}, box.height / {height});"
        f" return [scale, box.x + (box.width - {width} * scale) / 2,"
        f" box.y + (box.height - {height} * scale) / 2]; }})"
        "(document.querySelector('#stage').getBoundingClientRect())"
    )


def to_screen(browser, *points, size_HW=(300, 520)):
    scale, left, top = find_scale(browser, size_HW)
    return [(left + x * scale, top + y * scale) for x, y in points]


def read_item(browser, number):
    return evaluate(browser, f"fetch('/api/items/{number}').then(answer => answer.json())")


def evaluate(browser, script):
    """The value of a script once its promise is kept."""
    answer = browser.ask(
        "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
    )
    assert "exceptionDetails" not in answer, answer
    return answer["result"].get("value")


def wait_for_revision(browser, rev, number=1):
    end = time.monotonic() + 60
    while (item := read_item(browser, number))["rev"] < rev:
        assert time.monotonic() < end, item["rev"]
        time.sleep(0.05)
    return item


def log_in_as(browser, name, studio):
    """Give the browser the session of a person of `let_in`, and open the page."""
    secret = f"secret-of-{name}"
    browser.ask("Network.enable")
    cookie = {"name": f"maskwright_studio_{studio.port}", "value": secret}
    browser.ask("Network.setCookie", url=studio.address, **cookie)
    open_page(browser, studio.address)


def click(browser, selector):
    browser.value(f"document.querySelector({json.dumps(selector)}).click()")
