"""Which extra of this package brings a package that is not installed."""

import re
from importlib.metadata import requires

from .errors import MissingDependencyError


def explain_missing(error: ModuleNotFoundError) -> MissingDependencyError:
    """The pip command for a package of an extra for users.

    Raises:
        ModuleNotFoundError: Again, for any other missing module, which is a bug.
    """
    module = (error.name or "").partition(".")[0]
    package = {"skimage": "scikit_image"}.get(module, module)
    for requirement in requires("maskwright") or ():
        match = re.match(r"([\w.-]+).*extra == ['\"](?!all|dev)(\w+)", requirement)
        if match and match[1].replace("-", "_") == package:
            return MissingDependencyError(module, match[2])
    raise error
