"""Exchange: labels of other programs come in, and accepted images go out, as ZIP.

Both are jobs: all pages of managers see how far they are, and may cancel them. The last export
lies in the folder of the project until the next one, or until the studio starts again.
"""

import re
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ...core.atomic import explain_write_errors
from ...core.progress import Progress
from ...core.results import WriteMode
from ...data.conversion.convert import list_writable
from ...data.reading.archive import name_archive
from ..errors import StudioError
from ..export import export_accepted, export_tag
from ..importing import Imported, import_labels
from ..jobs import JobProgress
from ..models import Body
from ..routing import CLIENT, Parameter, Route, get, in_thread, post, send_json
from ..site import Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ZIP = "application/zip"
MOST_BYTES = 4 << 30
"""Bytes of an archive that is imported."""

_FILE = Parameter(name="name", text="The name of the ZIP, for messages; else `import.zip`")
_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}\.zip", re.IGNORECASE)
_PREFIX = "exchange-"


class Wanted(Body):
    """The accepted images, or those of a tag as they were when it was given, in a format."""

    format: Annotated[str, Field(max_length=64)]
    tag: Annotated[str, Field(max_length=64)] = ""


class Exchange:
    """Calls that bring labels in and out."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._archive: Path | None = None
        for left in site.project.folder.glob(f"{_PREFIX}*"):  # by a studio that was killed
            shutil.rmtree(left, ignore_errors=True)

    def list_routes(self) -> list[Route]:
        """The calls of this group."""
        return [
            post(
                "/api/import",
                "manager",
                self.import_labels,
                "begin the job that replaces labels by those of a dataset, or of masks or "
                "polygons alone",
                takes=ZIP,
                parameters=(CLIENT, _FILE),
            ),
            get("/api/formats", "manager", self.list_formats, "the formats of an export"),
            post(
                "/api/export",
                "manager",
                self.begin_export,
                "begin the job that writes accepted images in a format",
                Wanted,
            ),
            get(
                "/api/export",
                "manager",
                self.fetch_export,
                "the last export, as a ZIP",
                media=ZIP,
            ),
            get(
                "/api/job",
                "manager",
                self.show_job,
                "the job that runs, or the last one: `kind` (`import`, `export`, `order`), "
                "`state` (`none`, `running`, `finished`, `failed`, `cancelled`), `done` of "
                "`total` in its `step`, and what came of it",
            ),
            post("/api/job/cancel", "manager", self.cancel_job, "cancel the job that runs"),
        ]

    async def import_labels(self, request: "Request") -> "Response":
        """Import labels."""
        site, actor = self.site, request.state.person.name
        name = request.query_params.get("name", "import.zip")
        if not _FILE_NAME.fullmatch(name):
            raise StudioError(422, f"name is {name!r}; expected that of a ZIP, as labels.zip")
        site.jobs.require_free()
        folder = _make_folder(site.project.folder)
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            archive = folder / name
            await _save_body(request, archive)

            def work(progress: JobProgress) -> int:
                with name_archive(archive, archive.name):
                    imported = import_labels(site.project, archive, progress, actor=actor)
                progress.left_out = imported.left_out
                self._tell(imported)
                return imported.num_images

            remove = stack.pop_all()
            try:
                job = site.start_job("import", f"the import of {name}", work, remove.close)
            except StudioError:
                remove.close()
                raise
        return send_json(job.to_json())

    def _tell(self, imported: Imported) -> None:
        project = self.site.project
        with project.store.read() as connection:
            items = [project.find_item(connection, number) for number in imported.item_ids]
        for item in items:
            told = {"item": item.id, "rev": item.rev, "state": item.state}
            self.site.news.tell({"kind": "edit", "client": "", **told}, item)

    async def list_formats(self, _request: "Request") -> "Response":
        """The formats that can be written."""
        return send_json({"formats": list_writable()})

    async def begin_export(self, request: "Request") -> "Response":
        """Begin to export the accepted images, or a tag."""
        project, body = self.site.project, request.state.body
        if body.format not in list_writable():
            choices = ", ".join(list_writable())
            raise StudioError(422, f"format {body.format!r}: choose {choices}")
        name = f"{project.name}-{body.tag or 'accepted'}-{body.format}"

        def work(progress: JobProgress) -> int:
            self._forget()
            folder = _make_folder(project.folder)
            with ExitStack() as stack:
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                out = folder / name
                if body.tag:
                    account = export_tag(
                        project, body.tag, body.format, out, WriteMode(), progress
                    )
                else:
                    account = export_accepted(project, body.format, out, WriteMode(), progress)
                archive = _pack(out, out.with_name(f"{name}.zip"), progress)
                shutil.rmtree(out)
                progress.file, progress.num_bytes = archive.name, archive.stat().st_size
                self._archive = archive
                stack.pop_all()
            return account.num_images

        what = f"the export as {body.format}"
        return send_json(self.site.start_job("export", what, work, lambda: None).to_json())

    def _forget(self) -> None:
        """Remove the export of before."""
        archive, self._archive = self._archive, None
        if archive is not None:
            shutil.rmtree(archive.parent, ignore_errors=True)

    async def fetch_export(self, _request: "Request") -> "Response":
        """The last export."""
        from starlette.responses import FileResponse

        archive = self._archive
        if archive is None:
            raise StudioError(404, "no export is there; POST /api/export makes one")
        return FileResponse(
            archive,
            media_type=ZIP,
            filename=archive.name,
            headers={"cache-control": "no-store"},
        )

    async def show_job(self, _request: "Request") -> "Response":
        """The job that runs, or the last one."""
        return send_json(self.site.jobs.last.to_json())

    async def cancel_job(self, _request: "Request") -> "Response":
        """Cancel the job that runs."""
        return send_json(self.site.jobs.cancel().to_json())


def _make_folder(beside: Path) -> Path:
    with explain_write_errors(beside):
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=beside))


def _pack(folder: Path, archive: Path, progress: Progress) -> Path:
    """Write a folder to a ZIP, in which it has its name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with (
        explain_write_errors(archive),
        zipfile.ZipFile(
            archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False
        ) as zipped,
    ):
        for path in progress(files, total=len(files), what="packing files"):
            zipped.write(path, path.relative_to(folder.parent))
    return archive


async def _save_body(request: "Request", path: Path) -> None:
    num_bytes = 0
    with explain_write_errors(path), path.open("wb") as file:
        async for part in request.stream():
            num_bytes += len(part)
            if num_bytes > MOST_BYTES:
                raise StudioError(413, f"an archive has at most {MOST_BYTES:,} bytes")
            await in_thread(partial(file.write, part))
