"""Run the studio: one process with one thread for the network and others for the work."""

import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..inference.segment_anything import open_segment_anything
from ..measurement.events.webhook import Webhook
from ..store.items import expire_leases
from ..store.people import has_users
from .accepted import restore_accepted
from .api import make_app
from .copies import follow_submitted
from .guard import LOCAL_HOSTS, Guard
from .live import News
from .project import Project
from .proxy import NO_PROXY, PublicAddress, serve_under

if TYPE_CHECKING:
    import uvicorn

_SWITCH_S = 0.0005
"""After this time Python lets the thread of another request run. By default it is 5 ms, which
an edit waits for at each of its dozen statements while others read the list of images."""


def serve(
    project: Project,
    say: Callable[[str], None],
    *,
    host: str,
    port: int,
    opens_browser: bool,
    webhook: str | None = None,
    model: str | None = None,
    sam: Sequence[Path] = (),
    address: str | None = None,
) -> None:
    """Serve a project until the process is interrupted; port 0 takes a free one.

    `address` is the one by which browsers reach a proxy before the studio.

    Raises:
        ConfigError: The host is not this machine, the port is taken, the webhook or `address`
            is not an address, or `sam` is not an encoder and a decoder.
        BundleError: A graph of `sam` is not one of this family.
    """
    import uvicorn

    hook = None if webhook is None else Webhook(url=webhook)
    reached = NO_PROXY if address is None else PublicAddress.parse(address)
    is_public = host not in LOCAL_HOSTS
    with project.store.read() as connection:
        asks_names = has_users(connection)
    if not asks_names:
        _require_own_browsers(host, reached)
    graphs = open_segment_anything(sam) if sam else None
    restore_accepted(project)
    follow_submitted(project)
    with project.store.write() as connection:
        expire_leases(connection)  # of pages that an earlier start of the studio served
    with _listen(host, port) as listener:
        port = listener.getsockname()[1]
        names = (socket.gethostname(), socket.getfqdn(), host, *LOCAL_HOSTS)
        own = names if is_public else LOCAL_HOSTS
        guard = Guard(project.store, port, own, is_public, reached)
        news = News()
        page = str(reached) if reached.origin else _name_page(host, port)
        link = page if asks_names else f"{page}?token={guard.token}"
        app = make_app(project, guard, news, hook=hook, model=model, sam=graphs)
        config = uvicorn.Config(
            serve_under(app, reached.path),
            log_config=None,  # one of its own ends the log handlers that the program has
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
        )
        say(f"{len(project.data.dataset)} images of {project.folder.parent}\n{link}")
        entry = "People log in there" if asks_names else "The link works once"
        say(f"{entry}. Ctrl-C ends the studio; everything is saved as you paint.")
        if opens_browser:
            webbrowser.open(link)
        _run(uvicorn.Server(config), listener, news)
        if hook is not None:
            hook.close()


def _require_own_browsers(host: str, reached: PublicAddress) -> None:
    """Refuse to open a studio without users to other machines."""
    if host not in LOCAL_HOSTS:
        cause = f"--host {host}"
    elif reached.name not in ("", *LOCAL_HOSTS):
        cause = f"--address {reached}"
    else:
        return
    raise ConfigError(
        f"{cause} opens the studio to other machines, where nobody would have to say who he "
        f"is; leave it out, or add people with --add-user NAME:ROLE"
    )


def _name_page(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _run(server: "uvicorn.Server", listener: socket.socket, news: News) -> None:
    """Run until Ctrl-C, which also ends the streams: a server waits for its open answers."""
    end = server.handle_exit

    def end_streams(sig: int, frame: FrameType | None) -> None:
        news.close()
        end(sig, frame)

    server.handle_exit = end_streams  # type: ignore[method-assign]
    sys.setswitchinterval(_SWITCH_S)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with its protocol, as that of `serve`: else answers wait 40 ms for their second half
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # from now on a browser waits until the server answers
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port {port} of {host} cannot be used: {error.strerror}; choose another one with "
            f"--port, or a free one with --port 0"
        ) from error
    return listener
