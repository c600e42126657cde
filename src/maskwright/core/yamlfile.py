"""Read YAML files; no tag can run code, and every error names the file."""

from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError, DataError


def read_yaml(path: Path) -> Any:
    """Read the document; an empty file is an empty mapping.

    Raises:
        ConfigError: Not YAML.
        DataError: The file cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such date
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return {} if document is None else document
