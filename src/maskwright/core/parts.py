"""The folder is the registry: a part is one file, and its name is the file's name.

Listing never imports; loading imports exactly one module. Nothing registers itself. Other
packages add parts by an entry point in the group named like the folder's package, say
`maskwright.nn.archs`.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from .errors import ConfigError, UnknownNameError


def names(package: str) -> tuple[str, ...]:
    """Names of all parts of `package` (a dotted name), sorted; imports none of them."""
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ConfigError(f"{package} is not a package of parts")
    found = {m.name for m in iter_modules(spec.submodule_search_locations)}
    found |= {e.name for e in _foreign(package)}
    return tuple(sorted(n for n in found if not n.startswith("_")))


def load(package: str, name: str) -> ModuleType:
    """Import the part called `name`.

    Raises:
        UnknownNameError: There is no such file; the message lists what there is.
    """
    known = names(package)
    if name not in known:
        raise UnknownNameError(f"{package.rpartition('.')[2]} part", name, known)
    for entry in _foreign(package):
        if entry.name == name:
            module: ModuleType = entry.load()
            return module
    return import_module(f"{package}.{name}")


def configure(part: ModuleType, settings: Mapping[str, Any], *, where: str) -> Any:
    """The part's `Config` (a pydantic model) with `settings`.

    Raises:
        ConfigError: A setting is unknown or wrong; the message begins with `where`.
    """
    from pydantic import ValidationError

    try:
        return part.Config(**settings)
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"{where}: {'; '.join(lines)}") from error


@cache
def _foreign(package: str) -> tuple[EntryPoint, ...]:
    """Read once: going through all installed packages takes 20 ms."""
    return tuple(entry_points(group=package))
