"""Exchange: labels of other programs come in, and accepted images go out, as ZIP."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.progress import silent
from ...core.results import WriteMode
from ...data.conversion.convert import list_writable
from ...data.reading.archive import name_archive
from ..errors import StudioError
from ..export import export_accepted, export_tag
from ..importing import Imported, import_labels
from ..routing import CLIENT, Parameter, Route, get, in_thread, post, send_json
from ..site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ZIP = "application/zip"
MOST_BYTES = 4 << 30
"""Bytes of an archive that is imported."""

_FORMAT = Parameter(name="format", text="A format that `convert` writes", required=True)
_TAG = Parameter(name="tag", text="The images of a tag, as they were when it was given")


class Exchange:
    """Calls that bring labels in and out."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            post(
                "/api/import",
                "manager",
                self.import_labels,
                "replace labels by those of a dataset, or of masks or polygons alone; the "
                "answer has how many images changed, and what was left out",
                takes=ZIP,
                parameters=(CLIENT,),
            ),
            get("/api/formats", "manager", self.list_formats, "the formats of an export"),
            get(
                "/api/export",
                "manager",
                self.export,
                "the accepted images in a format, as a ZIP",
                parameters=(_FORMAT, _TAG),
                media=ZIP,
            ),
        ]

    async def import_labels(self, request: "Request") -> "Response":
        """Import labels."""
        project, actor = self.site.project, request.state.person.name
        with ExitStack() as stack:
            folder = Path(stack.enter_context(_make_folder(project.folder)))
            archive = folder / "import.zip"
            await _save_body(request, archive)

            def read() -> Imported:
                with name_archive(archive, archive.name):
                    return import_labels(project, archive, silent, actor=actor)

            imported = await in_thread(read)
        await self._tell(imported)
        return send_json(imported.to_json())

    async def _tell(self, imported: Imported) -> None:
        project = self.site.project
        with project.store.read() as connection:
            items = [project.find_item(connection, number) for number in imported.item_ids]
        for item in items:
            told = {"item": item.id, "rev": item.rev, "state": item.state}
            self.site.news.tell({"kind": "edit", "client": "", **told}, item)

    async def list_formats(self, _request: "Request") -> "Response":
        """The formats that can be written."""
        return send_json({"formats": list_writable()})

    async def export(self, request: "Request") -> "Response":
        """Export the accepted images, or a tag."""
        from starlette.background import BackgroundTask
        from starlette.responses import FileResponse

        project, query = self.site.project, request.query_params
        form, tag = query.get("format", ""), query.get("tag", "")
        if form not in list_writable():
            raise StudioError(422, f"format {form!r}: choose {', '.join(list_writable())}")
        name = f"{project.name}-{tag or 'accepted'}-{form}"
        with ExitStack() as stack:
            folder = Path(stack.enter_context(_make_folder(project.folder)))

            def write() -> str:
                out = folder / name
                if tag:
                    export_tag(project, tag, form, out, WriteMode(), silent)
                else:
                    export_accepted(project, form, out, WriteMode(), silent)
                return shutil.make_archive(str(folder / "export"), "zip", folder, name)

            archive = await in_thread(write)
            remove: Callable[[], None] = stack.pop_all().close  # once it is sent
        return FileResponse(
            archive,
            media_type=ZIP,
            filename=f"{name}.zip",
            headers={"cache-control": "no-store"},
            background=BackgroundTask(remove),
        )


def _make_folder(beside: Path) -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="exchange-", dir=beside)


async def _save_body(request: "Request", path: Path) -> None:
    num_bytes = 0
    with path.open("wb") as file:
        async for part in request.stream():
            num_bytes += len(part)
            if num_bytes > MOST_BYTES:
                raise StudioError(413, f"an archive has at most {MOST_BYTES:,} bytes")
            await in_thread(partial(file.write, part))
