"""Change models while the server runs: load beside, test, flip, and drop the old one.

`POST /v2/repository/models/NAME/load` with `{"parameters": {"bundle": "run-b"}}` opens a Bundle
of the folder that the operator allows, in a process of its own. It is warmed up and tested with
the images that it carries; then it answers all requests, or with `canary` a share of them,
always the same clients, or with `shadow` none: its class maps are compared with those in use.
The version before stops when its last answer is sent. `unload` takes a version back. A version
whose report is worse than that of the version in use is not put in use, see `promotion`.
"""

import asyncio
import json
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from ..core.bundle import MANIFEST, is_bundle
from ..core.errors import BundleError, ConfigError
from ..core.trust import hash_file
from ..core.versioned import Document
from .child import Child
from .errors import ServingError
from .models import Version
from .promotion import require_not_worse
from .receiving import read_body
from .responses import answer_json
from .service import Service
from .shadow import Shadow
from .trial import Trial

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/bundle)?")
_PARAMETERS = {"bundle", "canary", "shadow", "force"}


def require_inside(folder: Path | None, name: object) -> Path:
    """The path of a Bundle that clients may load, by its name in the folder.

    Raises:
        ServingError: 501 without a folder, 400 for another name, 404 where there is none.
    """
    if folder is None:
        raise ServingError(501, "no Bundles may be loaded; start with --swap-from FOLDER")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ServingError(400, f"bundle is {name!r}; name a Bundle or a run of the folder")
    for path in (folder / name, folder / name / "bundle"):
        if is_bundle(path) and path.resolve().is_relative_to(folder.resolve()):
            return path
    raise ServingError(404, f"no Bundle named {name!r} in the folder of --swap-from")


def require_allowed(path: Path, manifests: Collection[str]) -> None:
    """Refuse a Bundle whose manifest the operator has not named; without any, all are allowed.

    The manifest has the hashes of all other files, which are checked when it is opened.

    Raises:
        ServingError: 403.
    """
    digest = hash_file(path / MANIFEST)
    if manifests and digest not in manifests:
        raise ServingError(
            403,
            f"this Bundle is not on the list: its {MANIFEST} has the SHA-256 {digest}; the "
            f"operator allows it with --allow-bundle {digest}",
        )


async def load(service: Service, request: Request) -> Response:
    """Load a Bundle as the next version of a model.

    Raises:
        ServingError: 409 where its classes differ, or it is to answer at once and is worse; 400
            where it fails its test, 403 where the operator does not allow it.
    """
    name = request.path_params["model"]
    parameters = await _read_parameters(service, request)
    path = require_inside(service.swap_from, parameters.get("bundle"))
    require_allowed(path, service.swap_manifests)
    canary, shadow = _share(parameters, "canary"), _share(parameters, "shadow")
    if canary is not None and shadow is not None:
        raise ServingError(400, "choose canary or shadow, not both")
    async with service.swapping:
        now = service.models.list_versions(name)[0]
        verdict = None
        if canary is None and shadow is None:
            verdict = await _judge(now, path, parameters)
        number = str(1 + max(int(v.number) for v in service.models.list_versions(name)))
        child = Child(replace(now.child.choice, path=str(path), version=number))
        try:
            facts = await child.start()
        except (BundleError, ConfigError) as error:
            raise ServingError(400, f"{parameters['bundle']}: {_hide(error, path)}") from error
        if facts.labels != now.facts.labels:
            await child.stop()
            raise ServingError(
                409,
                f"{parameters['bundle']}: has the classes {', '.join(facts.classes)}, model "
                f"{name} has {', '.join(now.facts.classes)}; serve it under another name",
            )
        version = Version(number, child, canary=canary)
        if canary is not None:
            version.trial = Trial()
        if shadow is not None:
            version.shadow = Shadow(shadow, facts.classes)
        old = service.models.add(name, version)
    for version in old:
        service.retire(version)
    loaded = {"name": name, "version": number, "bundle": facts.bundle}
    return answer_json(loaded | ({} if verdict is None else {"comparison": verdict}))


async def unload(service: Service, request: Request) -> Response:
    """Take a canary or a shadow back."""
    name = request.path_params["model"]
    async with service.swapping:
        removed = service.models.take_back(name)
    service.retire(removed)
    return answer_json({"name": name, "removed": removed.number})


async def promote(service: Service, request: Request) -> Response:
    """Let a canary or a shadow answer all requests, unless its report is worse.

    Raises:
        ServingError: 409, none is on trial, or it is worse.
    """
    name = request.path_params["model"]
    parameters = await _read_parameters(service, request)
    async with service.swapping:
        trial = service.models.require_trial(name)
        now = service.models.list_versions(name)[0]
        verdict = await _judge(now, Path(trial.child.choice.path), parameters)
        shadow = trial.shadow
        old = service.models.promote(name)
    for version in old:
        service.retire(version)
    answer = {"name": name, "version": trial.number, "comparison": verdict}
    return answer_json(answer | ({} if shadow is None else {"shadow": shadow.describe()}))


async def show_shadow(service: Service, request: Request) -> Response:
    """How the class maps of a shadow differ from those in use."""
    name = request.path_params["model"]
    for version in service.models.list_versions(name):
        if version.shadow is not None:
            return answer_json({"version": version.number} | version.shadow.describe())
    raise ServingError(404, f"model {name} has no shadow")


async def _judge(now: Version, new: Path, parameters: Document) -> Document:
    """The verdict of the reports on a new version, unless the client forces it."""
    force = parameters.get("force", False)
    if not isinstance(force, bool):
        raise ServingError(400, f"force is {force!r}; use true or false")
    if force:
        return {"compared": False, "reason": "forced"}
    return await asyncio.to_thread(require_not_worse, Path(now.child.choice.path), new)


async def _read_parameters(service: Service, request: Request) -> Document:
    body = await read_body(request, service.limits)
    try:
        document = json.loads(body or b"{}")
        parameters = dict(document.get("parameters", {}))
    except (ValueError, AttributeError, TypeError) as error:
        raise ServingError(400, 'expected {"parameters": {"bundle": NAME}}') from error
    unknown = sorted(set(parameters) - _PARAMETERS)
    if unknown:
        raise ServingError(400, f"unknown parameter {unknown[0]!r}; use {sorted(_PARAMETERS)}")
    return parameters


def _share(parameters: Document, name: str) -> float | None:
    value = parameters.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or not 0 < value < 1:
        raise ServingError(400, f"{name} is {value!r}; use a share between 0 and 1")
    return float(value)


def _hide(error: Exception, path: Path) -> str:
    """The message without the path on this machine."""
    return str(error).replace(str(path), path.name)
