"""Run a server until a signal, and stop it in an order that loses no request.

SIGTERM or Ctrl-C: not ready at once, while requests are still taken (load balancers lag); after
`drain_s` no new connections, and what is in work is finished; after `grace_s` the rest gets 503
with Retry-After. A second signal ends the server now.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from ..core.errors import ConfigError
from .access import Access
from .admission import Admission
from .app import build_app
from .child import Child
from .connection import limit_clients
from .docs import TABLE
from .endpoints import Endpoints
from .jobs.supervisor import JobOptions, Jobs
from .limits import Limits
from .log import Log, write_log
from .metrics import Metrics
from .modelprocess.process import ModelChoice
from .models import Models
from .service import Service
from .tracing import open_tracing
from .watch.watching import Watch, WatchOptions

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

_BACKLOG = 2048

Announce = Callable[[Sequence[str], str], None]
"""Called with the names of the models and the address, once requests are answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Where and how a server runs.

    `port` 0 takes a free one. `tls` are the PEM files of certificate and key. `drain_s` and
    `grace_s` are the times of stopping. Clients may load Bundles of the folder `swap_from`;
    where `swap_manifests` are given, those whose manifest has one of these SHA-256 alone.
    Without `jobs`, none are taken; without `watch`, no rows are written.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    tls: tuple[Path, Path] | None = None
    drain_s: float = 5.0
    grace_s: float = 30.0
    limits: Limits = field(default_factory=Limits)
    swap_from: Path | None = None
    swap_manifests: frozenset[str] = frozenset()
    jobs: JobOptions | None = None
    watch: WatchOptions | None = None


def serve(
    choices: Sequence[ModelChoice],
    options: ServeOptions,
    access: Access,
    *,
    announce: Announce,
    log: Log = write_log,
    table: Endpoints = TABLE,
) -> None:
    """Serve models, or what else `table` has, until a signal.

    Raises:
        BundleError: A model cannot be opened.
        ConfigError: The address is taken or not one of this machine.
        OutputError: As `Jobs.open` and `Watch.open`.
    """
    listener = _listen(options)
    try:
        asyncio.run(_serve(choices, options, access, listener, announce, (log, table)))
    finally:
        listener.close()


def _listen(options: ServeOptions) -> socket.socket:
    """A socket that is bound before models are loaded, so that a taken port fails at once."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only on sockets that name their protocol: without it,
    # the body of an answer waits for the confirmation of its head, 40 ms on Linux
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{options.host}:{options.port}: cannot listen here: {reason}; choose another "
            f"--host or --port"
        ) from error
    return listener


async def _serve(
    choices: Sequence[ModelChoice],
    options: ServeOptions,
    access: Access,
    listener: socket.socket,
    announce: Announce,
    app: tuple[Log, Endpoints],
) -> None:
    log, table = app
    metrics = Metrics()
    jobs = None if options.jobs is None else Jobs(options.jobs, count_end=metrics.add_job_end)
    watch = None if options.watch is None else Watch(options.watch, log)
    if jobs is not None:
        jobs.open()
    if watch is not None:
        watch.open()
    service = Service(
        models=Models([Child(choice) for choice in choices]),
        access=access,
        limits=options.limits,
        admission=Admission(options.limits),
        metrics=metrics,
        swap_from=options.swap_from,
        swap_manifests=options.swap_manifests,
        jobs=jobs,
        watch=watch,
        log=log,
        tracing=open_tracing(),
    )
    server = _Server(_configure(options, build_app(service, log=log, table=table)))
    stopping = asyncio.ensure_future(_stop_on_signal(service, server, options))
    try:
        loading = asyncio.ensure_future(service.models.start())
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not loading.done():
            loading.cancel()
            return
        loading.result()
        scheme = "http" if options.tls is None else "https"
        host, port = listener.getsockname()[:2]
        if jobs is not None:
            jobs.begin()
        listener.listen(_BACKLOG)
        announce(service.models.names, f"{scheme}://{_bracket(host)}:{port}")
        await server.serve(sockets=[listener])
    finally:
        stopping.cancel()
        await service.models.stop()
        if jobs is not None:
            await jobs.stop()
        if watch is not None:
            await asyncio.to_thread(watch.close)


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _configure(options: ServeOptions, app: ASGIApp) -> uvicorn.Config:
    certificate, key = options.tls or (None, None)
    return uvicorn.Config(
        app,
        http=limit_clients(options.limits),
        ws="none",
        lifespan="off",
        log_config=None,  # one of its own ends the log handlers that the program has
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(options.grace_s) + 2),
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


class _Server(uvicorn.Server):
    """Leaves signals to `_stop_on_signal`."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


async def _stop_on_signal(service: Service, server: _Server, options: ServeOptions) -> None:
    """Wait for a signal, then stop in order."""
    signals: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
            loop.add_signal_handler(number, signals.put_nowait, number)
    await signals.get()
    service.is_draining = True
    if not server.started:
        return
    again = asyncio.ensure_future(signals.get())
    await asyncio.wait((again,), timeout=options.drain_s)
    server.should_exit = True
    await asyncio.wait((again,), timeout=options.grace_s)
    service.is_closed = True
    server.force_exit = again.done()
    await service.models.stop()
