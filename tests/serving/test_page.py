import base64
import json
import re

import pytest


def _drop(window, body, name="photo.png"):
    """Drop a file on the page, as a person does."""
    text = base64.b64encode(body).decode()
    window.value(
        f"""(() => {{
        const bytes = Uint8Array.from(atob({json.dumps(text)}), c => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], {json.dumps(name)}));
        document.getElementById("drop").dispatchEvent(
          new DragEvent("drop", {{bubbles: true, dataTransfer: data}}));
        }})()"""
    )


def _shares(window):
    return json.loads(
        window.value(
            "JSON.stringify([...document.querySelectorAll('#classes tr')].map("
            "row => row.innerText.trim().split(/\\s+/)))"
        )
    )


@pytest.mark.parametrize("width_px", [1280, 390])
def test_a_photo_is_dropped_and_its_classes_lie_over_it(
    window, server, stripes, png, tmp_path, width_px
):
    window.visit(f"{server.address}/", width_px=width_px)
    window.wait_for("document.querySelectorAll('#model option').length === 2")
    assert not window.value("document.getElementById('model-row').hidden")
    image_HW3 = stripes.copy()
    image_HW3[:, 30:45] = 0  # sky in place of trees
    _drop(window, png(image_HW3))
    window.wait_for("!document.getElementById('result').hidden")
    assert _shares(window) == [
        ["sky", "50.0", "%"],
        ["road", "25.0", "%"],
        ["car", "25.0", "%"],
    ]
    canvas = "document.getElementById('painted').getContext('2d')"
    pixel = f"[...{canvas}.getImageData(20, 5, 1, 1).data]"
    road = server.ask("GET", "/v1/models").json["models"][0]["facts"]["colors"][1]
    assert window.value(pixel) == [*road, 255]
    assert "40 × 60 px (H × W) in" in window.value("document.getElementById('note').innerText")

    window.value("document.querySelectorAll('#classes input')[1].click()")  # hides roads
    assert window.value(pixel)[3] == 0
    window.choose("#opacity", "25")
    assert window.value("document.getElementById('painted').style.opacity") == "0.25"
    overflow = "document.documentElement.scrollWidth - innerWidth"
    assert window.value(overflow) <= 0
    window.screenshot(tmp_path / f"{width_px}.png")


def test_the_keyboard_reaches_the_file_and_what_goes_wrong_is_said(window, server):
    window.visit(f"{server.address}/")
    window.wait_for("document.querySelectorAll('#model option').length === 2")
    reached = []
    for _ in range(4):
        window.press("Tab", 9)
        reached.append(
            window.value("document.activeElement.id || document.activeElement.tagName")
        )
    assert reached == ["A", "A", "model", "file"]  # docs, dashboard, then the form
    _drop(window, b"no image")
    window.wait_for("document.getElementById('trouble').innerText")
    said = window.value("document.getElementById('trouble').innerText")
    assert said.startswith("image: expected a PNG, JPEG, TIFF or WebP file")


def test_a_page_asks_for_the_token_that_the_server_needs(
    window, start_server, painted, stripes, png, tmp_path
):
    from maskwright.serving.access import add_token

    token = add_token(tmp_path / "tokens", "anna:predict")
    server = start_server(painted.root, "--token-file", tmp_path / "tokens")
    window.visit(f"{server.address}/")
    window.wait_for("!document.getElementById('token-row').hidden")
    window.value(
        f"(e => {{ e.value = {json.dumps(token)}; e.dispatchEvent(new Event('change')); }})"
        "(document.getElementById('token'))"
    )
    window.wait_for("document.getElementById('token-row').hidden")
    _drop(window, png(stripes))
    window.wait_for("!document.getElementById('result').hidden")
    assert [share[1] for share in _shares(window)] == ["25.0"] * 4


def test_the_docs_list_every_endpoint(window, server):
    from maskwright.serving.docs import TABLE

    window.visit(f"{server.address}/docs", width_px=390)
    text = window.value("document.body.innerText")
    paths = {re.sub(":[a-z]+}", "}", endpoint.path) for endpoint in TABLE}
    assert all(path in text for path in paths)
    assert "operate" not in text
    assert window.value("document.documentElement.scrollWidth - innerWidth") <= 0
    document = server.ask("GET", "/openapi.json").json
    assert document["openapi"] == "3.1.0"
    assert document["paths"]["/v1/predict"]["post"]["security"] == [{"token": ["predict"]}]
    num_listed = sum(len(methods) for methods in document["paths"].values())
    assert num_listed == len({(e.method, e.path) for e in TABLE})
    assert document["paths"].keys() == paths
    acknowledge = document["paths"]["/watch/alarms/{alarm}/acknowledge"]["post"]
    assert acknowledge["security"] == [{"token": ["admin"]}]
