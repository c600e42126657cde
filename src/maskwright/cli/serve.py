"""`maskwright serve`: answer requests over HTTP with one model or several."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from .console import Console
from .opening import RunDevice, Threads
from .options import (
    AsJson,
    Engine,
    Host,
    KeepIn,
    MmPerPx,
    Port,
    Precision,
    Quiet,
    Store,
    TokenFile,
    Trust,
    parse_share,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..serving.access import Access
    from ..serving.jobs.supervisor import JobOptions
    from ..serving.limits import Limits
    from ..serving.log import Log
    from ..serving.modelprocess.process import ModelChoice
    from ..serving.run import Announce
    from ..serving.watch.keeper import KeepOptions
    from ..serving.watch.watching import WatchOptions

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]BUNDLE...", help="Bundles, with names or those of their runs."
    ),
]
NewToken = Annotated[
    str | None,
    typer.Option(
        metavar="NAME:SCOPES",
        help="Add a token to --token-file, print it and end: ci:predict,metrics,admin.",
    ),
]
Admin = Annotated[bool, typer.Option("--admin", help="Let clients change models.")]
SwapFrom = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Bundles that clients with --admin may load."),
]
AllowBundle = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SHA256",
        help="Of --swap-from, load Bundles with this SHA-256 of bundle.json alone; repeatable.",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A name by which clients call the server; repeatable."),
]
Rate = Annotated[
    float | None, typer.Option(metavar="N", help="Requests per second of one client.", min=0.01)
]
Warm = Annotated[
    list[str] | None,
    typer.Option(metavar="HxW", help="Image size to run before the first request; repeatable."),
]
RulesOf = Annotated[
    list[str] | None,
    typer.Option(
        "--rules",
        metavar="[NAME=]FILE",
        help="rules.yaml by which class maps are judged, of each model or of one; repeatable.",
    ),
]
SitesOf = Annotated[
    Path | None,
    typer.Option(
        "--sites",
        metavar="FILE",
        help="sites.yaml: zones and size of a pixel of each camera, for --rules.",
    ),
]
MaxBody = Annotated[int, typer.Option(metavar="MIB", help="Largest body.", min=1)]
MaxPixels = Annotated[int, typer.Option(metavar="MP", help="Largest image.", min=1)]
Queue = Annotated[int, typer.Option(metavar="MP", help="Pixels that wait or run.", min=1)]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", help="Time of a request.", min=1)]
JobsFolder = Annotated[
    Path | None,
    typer.Option("--jobs", metavar="FOLDER", help="Take jobs, and keep them in this folder."),
]
JobQuota = Annotated[int, typer.Option(metavar="GIB", help="Disk of all jobs.", min=1)]
JobKeep = Annotated[str, typer.Option(metavar="TIME", help="Keep an ended job for so long.")]
JobWorkers = Annotated[int, typer.Option(metavar="N", help="Jobs that run at once.", min=1)]
Certificate = Annotated[
    Path | None, typer.Option(metavar="FILE", help="PEM certificate, for https.")
]
Key = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM key of --certificate.")]
Drain = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="After SIGTERM, take requests for so long.", min=0),
]
Grace = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Then finish what is in work for so long.", min=0),
]
Retain = Annotated[str, typer.Option(metavar="TIME", help="Keep rows for so long.")]
Keep = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Keep this share of the images, unsure ones: 1%."),
]
KeepQuota = Annotated[int, typer.Option(metavar="GIB", help="Disk of kept images.", min=1)]
Alarms = Annotated[
    Path | None, typer.Option(metavar="FILE", help="alarms.yaml: who is told of what.")
]


class _How(TypedDict):
    """How the process of each model opens it."""

    engine: str | None
    trust: str | None
    threads: int | None
    precision: str | None
    device: str


class _Place(TypedDict):
    """Where a server listens."""

    host: str
    port: int
    tls: tuple[Path, Path] | None


class _Swaps(TypedDict):
    """Which Bundles clients may load."""

    swap_from: Path | None
    swap_manifests: frozenset[str]


class _Output(TypedDict):
    """Where the server says that it is ready, and what it has answered."""

    announce: "Announce"
    log: "Log"


def serve(
    models: Models = None,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    new_token: NewToken = None,
    admin: Admin = False,
    swap_from: SwapFrom = None,
    allow_bundle: AllowBundle = None,
    allow_host: AllowHost = None,
    rate: Rate = None,
    engine: Engine = None,
    precision: Precision = None,
    threads: Threads = None,
    device: RunDevice = "auto",
    warm: Warm = None,
    trust: Trust = None,
    rules: RulesOf = None,
    mm_per_px: MmPerPx = None,
    sites: SitesOf = None,
    max_body: MaxBody = 64,
    max_pixels: MaxPixels = 64,
    queue: Queue = 256,
    timeout: Timeout = 60,
    jobs: JobsFolder = None,
    job_quota: JobQuota = 20,
    job_keep: JobKeep = "24h",
    job_workers: JobWorkers = 1,
    store: Store = None,
    retain: Retain = "30d",
    keep: Keep = None,
    keep_in: KeepIn = None,
    keep_quota: KeepQuota = 5,
    alarms: Alarms = None,
    certificate: Certificate = None,
    key: Key = None,
    drain: Drain = 5,
    grace: Grace = 30,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Serve models over HTTP: predictions, health, metrics."""
    from ..serving.run import ServeOptions, serve

    _add_token(token_file, new_token)
    access = _open_access(host, token_file, allow_host, rate=rate, admin=admin)
    how = _How(engine=engine, trust=trust, threads=threads, precision=precision, device=device)
    options = ServeOptions(
        **_choose_place(host, port, certificate, key),
        drain_s=drain,
        grace_s=grace,
        limits=_limit(max_body, max_pixels, queue, timeout),
        **_choose_swaps(swap_from, allow_bundle),
        jobs=_choose_jobs(jobs, job_quota, job_keep, job_workers),
        watch=_choose_watch(store, retain, alarms, _choose_kept(keep, keep_in, keep_quota)),
    )
    choices = _add_rules(_list_choices(models, warm, how), rules or [], mm_per_px, sites)
    serve(choices, options, access, **_choose_output(as_json=as_json, quiet=quiet))


def _choose_output(*, as_json: bool, quiet: bool) -> _Output:
    from ..serving.log import ignore, write_log

    announce = partial(_announce, Console(as_json=as_json, quiet=quiet))
    return {"announce": announce, "log": ignore if quiet else write_log}


def _announce(console: Console, names: "Sequence[str]", address: str) -> None:
    console.say(f"{', '.join(names)} at {address}; stop with Ctrl-C")
    console.result({"models": list(names), "address": address})


def _limit(body_mib: int, image_mp: int, queue_mp: int, request_s: float) -> "Limits":
    from ..serving.limits import Limits

    return Limits(
        body_bytes=body_mib << 20,
        image_px=image_mp * 1_000_000,
        queue_px=queue_mp * 1_000_000,
        request_s=request_s,
    )


def _choose_swaps(folder: Path | None, digests: list[str] | None) -> _Swaps:
    """Which Bundles may be loaded: all of the folder, or those with these manifests."""
    from ..core.errors import ConfigError
    from ..core.trust import require_digest

    if digests and folder is None:
        raise ConfigError("--allow-bundle says which Bundles of --swap-from may be loaded")
    for digest in digests or []:
        require_digest(digest, option="--allow-bundle")
    return {"swap_from": folder, "swap_manifests": frozenset(digests or [])}


def _choose_jobs(
    folder: Path | None, quota_gib: int, keep: str, num_at_once: int
) -> "JobOptions | None":
    """How jobs are kept; None where none are taken."""
    from ..core.duration import budget_seconds
    from ..serving.jobs.supervisor import JobOptions

    keep_s = budget_seconds(keep, option="--job-keep") or 0.0
    if folder is None:
        return None
    return JobOptions(
        folder=folder, quota_bytes=quota_gib << 30, keep_s=keep_s, num_at_once=num_at_once
    )


def _choose_kept(
    share: str | None, folder: Path | None, quota_gib: int
) -> "KeepOptions | None":
    """Which images are kept, and where; None for none."""
    from ..serving.watch.keeper import KeepOptions, find_kept_folder

    if share is None:
        return None
    return KeepOptions(
        folder=folder or find_kept_folder(),
        share=parse_share(share, option="--keep"),
        quota_bytes=quota_gib << 30,
    )


def _choose_watch(
    store: str | None, retain: str, alarms: Path | None, keep: "KeepOptions | None"
) -> "WatchOptions | None":
    """Where rows go, and who is told of what; None for no rows."""
    from ..core.duration import budget_seconds
    from ..core.errors import ConfigError
    from ..serving.watch.alarmfile import AlarmFile, read_alarm_file
    from ..serving.watch.watching import WatchOptions
    from ..store.place import make_default_store

    rows_s = budget_seconds(retain, option="--retain") or 0.0
    if store == "none":
        if keep is not None or alarms is not None:
            raise ConfigError("--keep and --alarms need rows; leave out --store none")
        return None
    return WatchOptions(
        store=store or make_default_store(),
        keep=keep,
        rows_s=rows_s,
        alarms=AlarmFile() if alarms is None else read_alarm_file(alarms),
    )


def _list_choices(
    models: list[str] | None, warm: list[str] | None, how: _How
) -> "list[ModelChoice]":
    """What the process of each model opens, and how."""
    from ..core.errors import ConfigError
    from ..serving.modelprocess.process import ModelChoice, parse_size
    from ..serving.models import parse_models

    if not models:
        raise ConfigError("name a Bundle to serve: maskwright serve runs/a/bundle")
    sizes = tuple(map(parse_size, warm or ("512x512",)))
    return [
        ModelChoice(path=model.path, name=model.name, version="1", warm=sizes, **how)
        for model in parse_models(models)
    ]


def _add_rules(
    choices: "list[ModelChoice]",
    texts: list[str],
    mm_per_px: float | None,
    sites: Path | None,
) -> "list[ModelChoice]":
    """The models with the rules by which their class maps are judged."""
    from dataclasses import replace

    from ..core.errors import ConfigError, UnknownNameError

    if mm_per_px is not None and not (texts and 0 < mm_per_px < float("inf")):
        raise ConfigError(f"--mm-per-px {mm_per_px:g}: give a number above 0, with --rules")
    if sites is not None and not texts:
        raise ConfigError(f"--sites {sites}: says where rules hold; give --rules too")
    site_file = None if sites is None else str(sites.resolve())
    names = [choice.name for choice in choices]
    for text in texts:
        name, equals, file = text.partition("=")
        is_of_all = not equals or Path(text).exists()
        if not is_of_all and name not in names:
            raise UnknownNameError("model of --rules", name, names)
        path = str(Path(text if is_of_all else file).resolve())
        choices = [
            replace(choice, rules=path, mm_per_px=mm_per_px, sites=site_file)
            if is_of_all or choice.name == name
            else choice
            for choice in choices
        ]
    return choices


def _choose_place(host: str, port: int, certificate: Path | None, key: Path | None) -> _Place:
    """Where the server listens, with TLS where there are a certificate and its key."""
    from ..core.errors import ConfigError

    if certificate is None and key is None:
        return {"host": host, "port": port, "tls": None}
    if certificate is None or key is None:
        raise ConfigError("--certificate and --key belong together")
    return {"host": host, "port": port, "tls": (certificate, key)}


def _open_access(
    host: str,
    token_file: Path | None,
    allow_host: list[str] | None,
    *,
    rate: float | None,
    admin: bool,
) -> "Access":
    from ..serving.access import Access, read_tokens

    return Access(
        host,
        tokens=None if token_file is None else read_tokens(token_file),
        allowed_hosts=allow_host or (),
        rate=rate,
        admin=admin,
    )


def _add_token(token_file: Path | None, text: str | None) -> None:
    """Add a token and end, where one is asked for."""
    from ..core.errors import ConfigError
    from ..serving.access import add_token

    if text is None:
        return
    if token_file is None:
        raise ConfigError("--new-token: name the file with --token-file FILE")
    typer.echo(add_token(token_file, text))
    raise typer.Exit
