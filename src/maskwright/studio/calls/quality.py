"""Quality: the stream of work, consensus, references, and what is shown over an image."""

from typing import TYPE_CHECKING, Literal

from ...store.judgements import list_references
from ..consensus import merge
from ..copies import make_reference
from ..edit import Proposal, parse_edit
from ..errors import StudioError
from ..models import Body
from ..protocol import describe_item, parse_number, parse_prompts, parse_source
from ..routing import Parameter, Route, get, in_thread, post, send_bytes, send_json
from ..settings import Settings
from ..shades import ShadeOptions, draw_shade
from ..site import Site
from ..stream import find_next, measure_practice
from ..superpixels import NUM_LEVELS
from .images import ITEM

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


_FROM = Parameter(name="from", text="The revision since which changes are shown")
_PROMPTED = Parameter(name="prompted", text="`prompts` and perhaps a `part`, as JSON")
_EDIT = Parameter(name="edit", text="The edit of a preview with its geometry, as JSON")
_SOURCE = Parameter(
    name="source", text="Of a proposal: `model`, `flow` or `interpolation`; else the model"
)
_CONFIDENCE = Parameter(name="confidence", text="The least one, in percent, of a proposal")


class NewReference(Body):
    """What an accepted image judges; an empty kind: nothing."""

    kind: Literal["gold", "practice", ""]


class Quality:
    """Calls for work that several people do, and how well."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            post("/api/next", "annotator", self.find_next, "the next work of this person"),
            get(
                "/api/practice",
                "annotator",
                self.show_practice,
                "how far this person is with practice, and the mean IoU to reach",
            ),
            post(f"{ITEM}/merge", "reviewer", self.merge, "merge copies again", Settings),
            get(
                f"{ITEM}/shade/{{kind}}",
                "viewer",
                self.show_shade,
                "`uncertainty` of the consensus, `errors` of a practice image, a `preview` of "
                "what an edit would change, a `proposal`, the object that is `prompted`, or "
                "`changes` since a revision",
                parameters=(_CONFIDENCE, _SOURCE, _FROM, _PROMPTED, _EDIT),
                media="image/png",
            ),
            get(
                f"{ITEM}/cells/{{level:int}}",
                "viewer",
                self.show_cells,
                "superpixels, of `level` 0 (small) to 2: rows and columns (4 bytes each, "
                "little-endian), and compressed by zlib the superpixel of each pixel of a "
                "smaller picture (2 bytes)",
                media="application/octet-stream",
            ),
            get("/api/references", "manager", self.list_references, "images that judge"),
            post(
                f"{ITEM}/reference",
                "manager",
                self.set_reference,
                "seal an accepted image as `gold`, for `practice`, or neither",
                NewReference,
            ),
        ]

    async def find_next(self, request: "Request") -> "Response":
        """The next work of a person."""
        item = await in_thread(lambda: find_next(self.site.project, request.state.person))
        return send_json(self.site.tell_item(item))

    async def show_practice(self, request: "Request") -> "Response":
        """How far a person is with practice."""
        project, person = self.site.project, request.state.person
        return send_json(await in_thread(lambda: measure_practice(project, person)))

    async def merge(self, request: "Request") -> "Response":
        """Merge the copies of an image with other settings."""
        body: Settings = request.state.body
        number, actor = self.site.find_seen(request).id, request.state.person.name
        item = await in_thread(lambda: merge(self.site.project, number, body, actor))
        return send_json(self.site.tell_item(item))

    async def show_shade(self, request: "Request") -> "Response":
        """A colour over the image that shows where something is."""
        kind = request.path_params["kind"]
        query = request.query_params
        percent = parse_number(query.get("confidence", "0"), "confidence", 100)
        before = parse_number(query.get("from", "0"), "from")
        prompted = parse_prompts(query["prompted"]) if "prompted" in query else None
        source = parse_source(query.get("source", "model"))
        edit = parse_edit(query["edit"].encode()) if "edit" in query else None

        options = ShadeOptions(
            person=request.state.person,
            proposal=Proposal(kind="proposal", source=source, least_confidence=percent / 100),
            before=before,
            prompted=prompted,
            edit=edit,
        )

        def draw() -> bytes:
            number = self.site.find_seen(request).id
            site = self.site
            item, _ = site.project.open_item(number)
            return draw_shade(
                site.project,
                site.assistant,
                item,
                kind,
                options,
            )

        return send_bytes(await in_thread(draw), "image/png", "no-store")

    async def show_cells(self, request: "Request") -> "Response":
        """The superpixels of an image."""
        level = request.path_params["level"]
        if level >= NUM_LEVELS:
            raise StudioError(404, f"no level {level} of superpixels; there are 0 to 2")

        def read() -> bytes:
            key = self.site.find_seen(request).key
            return self.site.assistant.find_cells(key, level).encode()

        return send_bytes(await in_thread(read), "application/octet-stream")

    async def list_references(self, _request: "Request") -> "Response":
        """The images that judge copies."""
        with self.site.project.store.read() as connection:
            found = list_references(connection)
        rows = [{"item": r.item_id, "kind": r.kind, "rev": r.rev} for r in found]
        return send_json({"references": rows})

    async def set_reference(self, request: "Request") -> "Response":
        """Make an accepted image a reference."""
        number, kind = request.path_params["item"], request.state.body.kind
        project, actor = self.site.project, request.state.person.name
        item = await in_thread(lambda: make_reference(project, number, kind, actor))
        return send_json({**describe_item(item), "reference": kind})
