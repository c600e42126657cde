"""Repositories of the Hugging Face Hub: their files from its cache, or by download."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from maskwright.core.errors import ConfigError, first_line
from maskwright.core.hubname import HubName

PATTERNS = ("*.json", "*.safetensors", "*.bin", "*.pth", "*.pt", "README.md", "LICENSE*")
"""The files of a repository that are fetched."""

TIMEOUT_S = 5


def hub_answers() -> bool:
    """Whether the hub answers one short request; its library would retry for a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        request = Request(constants.ENDPOINT, method="HEAD")  # noqa: S310  https by default
        with urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def fetch_repository(name: HubName) -> Path:
    """The folder with the files of a repository: the newest where the hub answers.

    Raises:
        ConfigError: There is no such repository or revision, it is gated, or there is no
            network and the cache has no copy of it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = snapshot_download(
            name.repository,
            revision=name.revision,
            allow_patterns=list(PATTERNS),
            local_files_only=not hub_answers(),
        )
    except LocalEntryNotFoundError as error:
        raise ConfigError(_explain_offline(name)) from error
    except GatedRepoError as error:
        raise ConfigError(
            f"{name}: its publisher asks for consent; give it at "
            f"https://huggingface.co/{name.repository}, then run `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise ConfigError(
            f"{name}: the repository has no revision {name.revision!r}; leave out "
            f"@{name.revision} for its main branch"
        ) from error
    except RepositoryNotFoundError as error:
        raise ConfigError(f"{name}: the hub has no such repository; check the name") from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ConfigError(
            f"{name}: the download failed ({first_line(error)}); try again, or give "
            f"the path of a folder with its files"
        ) from error
    return Path(folder)


def _explain_offline(name: HubName) -> str:
    """What was tried, and the ways to the files without a network."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    folder = cache / f"models--{name.repository.replace('/', '--')}"
    revision = "" if name.revision is None else f" --revision {name.revision}"
    tried = f"the cache {cache} has no copy"
    known = sorted(p.name for kind in ("refs", "snapshots") for p in (folder / kind).glob("*"))
    if known:
        tried = f"the cache has revisions {', '.join(known)} of it, not this one"
    return (
        f"{name}: {tried}, and {constants.ENDPOINT} does not answer (no network?). On a "
        f"machine with a network run `hf download {name.repository}{revision} --local-dir "
        f"FOLDER`, copy FOLDER here and give its path in place of {name}; or copy "
        f"{folder} into the cache here"
    )
