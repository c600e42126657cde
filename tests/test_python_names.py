import subprocess
import sys

import pytest

import maskwright


def test_the_table_of_public_names_agrees_with_what_type_checkers_see():
    import ast
    from pathlib import Path

    module = ast.parse(Path(maskwright.__file__).read_text())
    guarded = next(node for node in module.body if isinstance(node, ast.If))
    typed = {
        alias.asname: f"{node.module}:{alias.name}"
        for node in guarded.body
        for alias in node.names
    }
    assert typed == maskwright._HOME
    assert sorted(typed) == sorted(maskwright.__all__)


def test_every_error_is_public_and_a_maskwright_error():
    from maskwright.core import errors

    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert kinds <= set(maskwright.__all__)
    assert all(issubclass(getattr(maskwright, n), maskwright.MaskwrightError) for n in kinds)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'maskwright' has no attribute 'tarin'"):
        maskwright.tarin  # noqa: B018


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, maskwright; print(*(n for n in sys.modules if '.' in n or n == 'numpy'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "numpy" not in done.stdout
    assert "maskwright." not in done.stdout


def test_no_public_name_is_that_of_a_package():
    """Importing `maskwright.x` sets the attribute x, and so hides a lazy name x for good."""
    from pathlib import Path

    packages = {path.stem for path in Path(maskwright.__file__).parent.iterdir()}
    assert not packages & set(maskwright.__all__)
