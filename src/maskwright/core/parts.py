"""Parts: a folder is a registry, and each file or folder in it is the part of that name.

Listing parts imports none of them; loading one imports that one module. Nothing registers
itself. Other packages add parts by an entry point in the group named like the folder's package,
for example `maskwright.nn.archs`.

What a part must offer is a Protocol: attributes without a value and abstract methods are
required, all others have the value in the Protocol as their default.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from inspect import Parameter, isfunction, signature
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Protocol, TypeVar

from .errors import ConfigError, UnknownNameError, suggest

P = TypeVar("P")


def names(package: str) -> tuple[str, ...]:
    """Names of all parts of `package` (a dotted name), sorted; imports none of them."""
    spec = find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ConfigError(f"{package} is not a package of parts")
    known = {m.name for m in iter_modules(spec.submodule_search_locations)}
    known |= {e.name for e in _entry_points(package)}
    return tuple(sorted(n for n in known if not n.startswith("_")))


def load(package: str, name: str, *, like: type[P]) -> P:
    """Import the part called `name` and check that it offers what the Protocol `like` requires.

    Raises:
        UnknownNameError: There is no such part; the message lists those there are.
        ConfigError: The part cannot be imported, lacks a name, or a function takes other
            arguments.
    """
    known = names(package)
    if name not in known:
        raise UnknownNameError(_kind(like), name, known)
    foreign = {entry.name: entry for entry in _entry_points(package)}
    if name in foreign:
        return make_part(_import_foreign(foreign[name]), like)
    return make_part(import_module(f"{package}.{name}"), like)


def make_part(module: ModuleType, like: type[P]) -> P:
    """Give `module` the type of the Protocol `like`, with its defaults for names left out.

    Raises:
        ConfigError: A required name is missing, or a function takes other arguments.
    """
    interface = _interface(like)
    offered = {name: getattr(module, name) for name in interface if hasattr(module, name)}
    missing = sorted(name for name in interface if name not in offered and interface[name])
    if missing:
        raise ConfigError(
            f"{module.__name__}: this {_kind(like)} lacks {', '.join(missing)}; see "
            f"{like.__module__}.{like.__name__}"
        )
    for name, value in offered.items():
        if isfunction(getattr(like, name, None)):
            _require_arguments(module, name, value, like)
    members = {n: staticmethod(v) if isfunction(v) else v for n, v in offered.items()}
    part: P = type(module.__name__.rpartition(".")[2], (like,), members)()
    return part


def configure(part: Any, settings: Mapping[str, Any], *, where: str) -> Any:
    """The part's `Config` (a pydantic model) with `settings`.

    Raises:
        ConfigError: A setting is unknown or wrong; the message begins with `where`.
    """
    from pydantic import ValidationError

    try:
        return part.Config(**settings)
    except ValidationError as error:
        lines = (
            f"{'.'.join(map(str, e['loc']))}: "
            + (
                f"no such key{suggest(str(e['loc'][0]), part.Config.model_fields)}"
                if e["type"] == "extra_forbidden" and len(e["loc"]) == 1
                else e["msg"]
            )
            for e in error.errors()
        )
        raise ConfigError(f"{where}: {'; '.join(lines)}") from error


@cache
def _entry_points(package: str) -> tuple[EntryPoint, ...]:
    """Parts from other packages; read once, since reading all packages takes 20 ms."""
    return tuple(entry_points(group=package))


def _import_foreign(entry: EntryPoint) -> ModuleType:
    try:
        module: ModuleType = entry.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{entry.value}: this part of another package ({entry.group}) cannot be imported: "
            f"{error}; update that package or uninstall it"
        ) from error
    return module


def _kind(like: type) -> str:
    """What messages call such a part: `LossPart` is "loss"."""
    return like.__name__.removesuffix("Part").lower()


def _interface(like: type) -> dict[str, bool]:
    """The public names of a Protocol, and whether a part must offer each."""
    interface: dict[str, bool] = {}
    for cls in reversed(like.__mro__):
        if cls is object or cls is Protocol:
            continue
        interface |= dict.fromkeys(cls.__annotations__, True)
        for name, value in vars(cls).items():
            interface[name] = getattr(value, "__isabstractmethod__", False)
    return {name: required for name, required in interface.items() if not name.startswith("_")}


def _require_arguments(
    module: ModuleType, name: str, function: Callable[..., Any], like: type
) -> None:
    expected = list(signature(getattr(like, name)).parameters.values())[1:]  # without self
    keywords = {p.name: p for p in expected if p.kind is Parameter.KEYWORD_ONLY}
    positional = [p for p in expected if p.kind is not Parameter.KEYWORD_ONLY]
    try:
        signature(function).bind(*positional, **keywords)
    except TypeError as error:
        raise ConfigError(
            f"{module.__name__}.{name}: takes other arguments than {like.__name__}.{name} "
            f"({error}); expected {name}({', '.join(map(str, expected))})"
        ) from error
