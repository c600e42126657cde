"""The page of a server: try a model in the browser."""

import base64
import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from ..pages.page import Section, render_page
from .service import Service

_TRY = """
<div class="bar">
<label id="model-row" hidden>Model <select id="model"></select></label>
<label id="token-row" hidden>Token <input id="token" autocomplete="off"></label>
</div>
<label class="drop" id="drop">Drop a photo here, paste one, or choose a file: PNG, JPEG, TIFF
or WebP <input type="file" id="file" class="unseen"></label>
<p class="trouble" id="trouble" role="alert"></p>
<p class="soft" id="note" role="status"></p>
<div id="result" hidden>
<div class="bar">
<label>Opacity <input type="range" id="opacity" min="0" max="100" value="60"></label>
<span class="soft" id="under"></span>
</div>
<div class="result">
<div class="picture" id="picture">
<canvas id="photo"></canvas><canvas id="painted"></canvas>
</div>
<table class="grid"><caption class="unseen">Classes</caption>
<thead><tr><th scope="col">class</th><th scope="col" class="number">share</th></tr></thead>
<tbody id="classes"></tbody></table>
</div>
</div>
"""


def read_asset(name: str) -> str:
    """A file of the pages."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def answer_page(page: str, script: str = "", *, forms: bool = False) -> Response:
    """A page with the policy that lets it run its script, ask this server and send forms."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        policy += (
            f"; img-src 'self' blob: data:; connect-src 'self'; script-src 'sha256-{digest}'"
        )
    policy += "; base-uri 'none'; form-action " + ("'self'" if forms else "'none'")
    headers = {"Content-Security-Policy": policy}
    return Response(page, headers=headers, media_type="text/html; charset=utf-8")


async def show_page(service: Service, _request: Request) -> Response:
    """Try a model: a photo, its classes over it, and their shares."""
    script = read_asset("page.js")
    links = '<a href="docs">Docs of the interface</a> · '
    if service.watch is not None:
        links += '<a href="watch">Dashboard</a> · '
    page = render_page(
        "maskwright",
        "Semantic segmentation on this server.",
        [Section(title="Try a model", note="", body=_TRY)],
        opening=f'<p>{links}<span id="about"></span></p>',
        script=script,
        style=read_asset("page.css"),
        connects=True,
    )
    return answer_page(page, script)
