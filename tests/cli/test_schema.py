"""JSON schemas of the files that people write."""

import json

import pytest
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.cli.schema import KINDS, make_schema
from maskwright.core.errors import UnknownNameError
from maskwright.training.recipe import Recipe, to_yaml


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_has_a_schema_that_refuses_unknown_keys(kind):
    schema = make_schema(kind)
    assert schema["additionalProperties"] is False
    assert "version" in schema["properties"]
    json.dumps(schema)


def test_the_schema_of_a_recipe_names_its_keys():
    schema = make_schema("recipe")
    assert set(Recipe().to_json()) <= set(schema["properties"])


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no schema named 'receipe'; did you mean"):
        make_schema("receipe")


def test_the_schema_is_written_where_the_editor_line_looks_for_it(tmp_path):
    assert CliRunner().invoke(app, ["schema", "recipe", "-o", str(tmp_path)]).exit_code == 0
    first = to_yaml(Recipe(), {}).splitlines()[0]
    assert first == "# yaml-language-server: $schema=recipe.schema.json"
    assert "$schema" in json.loads((tmp_path / "recipe.schema.json").read_text())
