"""The images of a project: their class maps, edits, leases and pictures."""

from functools import partial
from typing import TYPE_CHECKING

from ...store import items as stored
from ...store.chain import list_events
from ...store.comments import count_open
from ..editing import Request as EditRequest
from ..editing import Result, apply_edit, end_lease, take_lease
from ..errors import StudioError
from ..pictures import count_levels
from ..protocol import (
    describe_item,
    describe_origin,
    parse_body,
    parse_key,
    parse_number,
    parse_rev,
    parse_shas,
)
from ..routing import (
    CLIENT,
    REVISION,
    Parameter,
    Route,
    get,
    in_thread,
    post,
    read_body,
    send_bytes,
    send_json,
)
from ..site import Site, find_client
from ..tiles import describe_tiles, join_blobs
from ..values import parse_values
from ..visibility import sees

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LIST = "/api/items"
ITEM = f"{LIST}/{{item:int}}"
_FOR_EVER = "private, max-age=31536000, immutable"
_BYTES = "application/octet-stream"
_KEY = Parameter(
    name="Idempotency-Key",
    text="A name of the edit, by which a repeated request changes nothing",
    where="header",
    required=True,
)
_AFTER = Parameter(name="after", text="Only the edits after this one")
_TAKE = Parameter(
    name="take", text="`over` takes the lease of another page over, `end` gives it back"
)

_VALUES = (
    Parameter(name="channels", text="One channel or three of the image, by index from 0"),
    Parameter(name="black", text="The value that is black; without, a percentile of the image"),
    Parameter(name="white", text="The value that is white"),
)


class Images:
    """Calls for one image, and the list of all."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            get(
                LIST, "viewer", self.list_items, "all images with state, revision and annotator"
            ),
            get(
                ITEM,
                "viewer",
                self.show_item,
                "one image; `tiles` has column, row and SHA-256 of each tile of "
                "256 x 256 pixels of its class map",
            ),
            get(
                f"{ITEM}/edits",
                "viewer",
                self.list_edits,
                "the edits so far",
                parameters=(_AFTER,),
            ),
            post(
                f"{ITEM}/edits",
                "annotator",
                self.add_edit,
                "apply an edit",
                takes=_BYTES,
                parameters=(CLIENT, REVISION, _KEY),
            ),
            post(
                f"{ITEM}/lease",
                "annotator",
                self.lease,
                "take or prolong the lease",
                parameters=(CLIENT, _TAKE),
            ),
            get(
                f"{ITEM}/picture",
                "viewer",
                self.measure_picture,
                "rows and columns of the image, and the levels of its picture",
            ),
            get(
                f"{ITEM}/picture/{{level:int}}/{{column:int}}/{{row:int}}",
                "viewer",
                self.show_picture,
                "level, column and row of a tile of 512 x 512 pixels of the image",
                media="image/png",
                parameters=_VALUES,
            ),
            get(
                "/api/tiles/{shas}",
                "viewer",
                self.show_tiles,
                "tiles by their hashes, joined by dots: for each, the length (4 bytes, "
                "little-endian) and the pixels, compressed by zlib",
                media=_BYTES,
            ),
        ]

    async def list_items(self, request: "Request") -> "Response":
        """All images that a person sees, with their states."""
        person, project = request.state.person, self.site.project

        def read() -> list[dict[str, object]]:
            with project.store.read() as connection:
                num_open = count_open(connection)
                return [
                    {
                        **describe_item(item),
                        **(describe_origin(item) if person.may("reviewer") else {}),
                        "open_comments": num_open.get(item.id, 0),
                    }
                    for item in project.list_items(connection)
                    if sees(person, item)
                ]

        return send_json({"items": await in_thread(read)})

    async def show_item(self, request: "Request") -> "Response":
        """One image, the hashes of its tiles, and the levels of its picture."""

        def read() -> dict[str, object]:
            seen = self.site.find_seen(request)
            item, tiles = self.site.project.open_item(seen.id)
            levels = count_levels(item.size_HW or (1, 1))
            return {**describe_item(item), "tiles": describe_tiles(tiles), "levels": levels}

        return send_json(await in_thread(read))

    async def list_edits(self, request: "Request") -> "Response":
        """The edits of one image, so that a page can undo them."""
        after = parse_number(request.query_params.get("after", "0"), "after")

        def read() -> list[dict[str, object]]:
            with self.site.project.store.read() as connection:
                number = self.site.find_item(connection, request).id
                events = list_events(connection, item_id=number, verb="edit", after=after)
                return [{"seq": e.seq, "at": e.at, **e.document} for e in events]

        return send_json({"edits": await in_thread(read)})

    async def add_edit(self, request: "Request") -> "Response":
        """Apply an edit; it is durable when this is answered."""
        client = find_client(request)
        received = parse_body(await read_body(request))
        asked = EditRequest(
            item_id=request.path_params["item"],
            key=parse_key(request.headers.get("idempotency-key", "")),
            rev=parse_rev(request.headers.get("if-match", "")),
            edit=received.edit,
            patches=received.patches,
        )

        def apply() -> tuple[stored.Item, Result]:
            assistant, person = self.site.assistant, client.person
            seen = self.site.find_seen(request)
            assistant.prepare(seen, asked.edit, person)
            draw = partial(assistant.draw, person=person)
            return seen, apply_edit(self.site.project, asked, client, draw)

        seen, result = await in_thread(apply)
        tiles, item = describe_tiles(result.tiles), result.item
        told = {"item": item.id, "rev": result.rev, "state": item.state, "tiles": tiles}
        told |= {"annotator": item.annotator}
        self.site.news.tell({"kind": "edit", "client": client.name, **told}, item)
        if seen.annotator != item.annotator:
            self.site.news.tell_gone(seen, item)
        answer = {"rev": result.rev, "state": item.state, "tiles": tiles}
        return send_json({**answer, "px_changed": result.px_changed})

    async def lease(self, request: "Request") -> "Response":
        """Take, prolong, take over or give back a lease."""
        client, project = find_client(request), self.site.project
        take = request.query_params.get("take", "")

        def change() -> stored.Item:
            number = self.site.find_seen(request).id
            if take == "end":
                end_lease(project, number, client)
                return self.site.find_seen(request)
            return take_lease(project, number, client, take_over=take == "over")

        item = await in_thread(change)
        return send_json(self.site.tell_item(item, client.name))

    async def measure_picture(self, request: "Request") -> "Response":
        """The size of an image, which may not have been opened yet, and its levels."""

        def read() -> dict[str, object]:
            seen = self.site.find_seen(request)
            size_HW = seen.size_HW or self.site.pictures.measure(seen.key)
            return {"id": seen.id, "size_HW": size_HW, "levels": count_levels(size_HW)}

        return send_json(await in_thread(read))

    async def show_picture(self, request: "Request") -> "Response":
        """One tile of the picture of an image."""
        level, column, row = (request.path_params[name] for name in ("level", "column", "row"))
        values = parse_values(*(request.query_params.get(p.name, "") for p in _VALUES))

        def read() -> tuple[bytes, str]:
            key = self.site.find_seen(request).key
            return self.site.pictures.read_tile(key, level, column, row, values)

        content, kind = await in_thread(read)
        return send_bytes(content, kind)

    async def show_tiles(self, request: "Request") -> "Response":
        """Some tiles by their hashes; they never change, so that browsers keep them."""
        shas = parse_shas(request.path_params["shas"])

        def read() -> bytes:
            with self.site.project.store.read() as connection:
                blobs = stored.read_blobs(connection, shas)
            missing = [sha for sha in shas if sha not in blobs]
            if missing:
                raise StudioError(404, f"no tile {missing[0]}")
            return join_blobs(blobs[sha] for sha in shas)

        return send_bytes(await in_thread(read), _BYTES, _FOR_EVER)
