"""`maskwright serve`: answer requests over HTTP with one model or several."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Console
from .options import AsJson, Engine, Host, Port, Quiet, Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..serving.access import Access
    from ..serving.limits import Limits

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME=]BUNDLE...", help="Bundles, with names or those of their runs."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Hashes of the tokens that clients need, with scopes."),
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
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A name by which clients call the server; repeatable."),
]
Rate = Annotated[
    float | None, typer.Option(metavar="N", help="Requests per second of one client.", min=0.01)
]
Threads = Annotated[
    int | None, typer.Option(metavar="N", help="Threads of the engine of each model.", min=1)
]
Precision = Annotated[str, typer.Option(metavar="NAME", help="fp32, fp16, bf16 or int8.")]
Warm = Annotated[
    list[str] | None,
    typer.Option(metavar="HxW", help="Image size to run before the first request; repeatable."),
]
MaxBody = Annotated[int, typer.Option(metavar="MIB", help="Largest body.", min=1)]
MaxPixels = Annotated[int, typer.Option(metavar="MP", help="Largest image.", min=1)]
Queue = Annotated[int, typer.Option(metavar="MP", help="Pixels that wait or run.", min=1)]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", help="Time of a request.", min=1)]
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


def serve(
    models: Models = None,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token_file: TokenFile = None,
    new_token: NewToken = None,
    admin: Admin = False,
    swap_from: SwapFrom = None,
    allow_host: AllowHost = None,
    rate: Rate = None,
    engine: Engine = None,
    precision: Precision = "fp32",
    threads: Threads = None,
    warm: Warm = None,
    trust: Trust = None,
    max_body: MaxBody = 64,
    max_pixels: MaxPixels = 64,
    queue: Queue = 256,
    timeout: Timeout = 60,
    certificate: Certificate = None,
    key: Key = None,
    drain: Drain = 5,
    grace: Grace = 30,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Serve models over HTTP: predictions, health, metrics."""
    from ..serving.log import ignore, write_log
    from ..serving.modelprocess.process import ModelChoice, parse_size
    from ..serving.run import ServeOptions, serve

    if new_token is not None:
        _add_token(token_file, new_token)
        return
    options = ServeOptions(
        host=host,
        port=port,
        tls=_pair(certificate, key),
        drain_s=drain,
        grace_s=grace,
        limits=_limit(max_body, max_pixels, queue, timeout),
        swap_from=swap_from,
    )
    access = _open_access(
        host, token_file, allow_host=tuple(allow_host or ()), rate=rate, admin=admin
    )
    first = ModelChoice(
        path="",
        name="",
        version="1",
        engine=engine,
        trust=trust,
        threads=threads,
        precision=precision,
        warm=tuple(map(parse_size, warm or ("512x512",))),
    )
    choices = [replace(first, path=path, name=name) for name, path in _list_models(models)]
    announce = partial(_announce, Console(as_json=as_json, quiet=quiet))
    serve(choices, options, access, announce=announce, log=ignore if quiet else write_log)


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


def _list_models(models: list[str] | None) -> "list[tuple[str, str]]":
    """The name and the path of each model."""
    from ..core.errors import ConfigError
    from ..serving.models import parse_models

    if not models:
        raise ConfigError("name a Bundle to serve: maskwright serve runs/a/bundle")
    return [(model.name, model.path) for model in parse_models(models)]


def _pair(certificate: Path | None, key: Path | None) -> tuple[Path, Path] | None:
    """Certificate and key; None without TLS."""
    from ..core.errors import ConfigError

    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("--certificate and --key belong together")
    return certificate, key


def _open_access(
    host: str,
    token_file: Path | None,
    *,
    allow_host: tuple[str, ...],
    rate: float | None,
    admin: bool,
) -> "Access":
    from ..serving.access import Access, read_tokens

    return Access(
        host,
        tokens=None if token_file is None else read_tokens(token_file),
        allowed_hosts=allow_host,
        rate=rate,
        admin=admin,
    )


def _add_token(token_file: Path | None, text: str) -> None:
    from ..core.errors import ConfigError
    from ..serving.access import add_token

    if token_file is None:
        raise ConfigError("--new-token: name the file with --token-file FILE")
    typer.echo(add_token(token_file, text))
