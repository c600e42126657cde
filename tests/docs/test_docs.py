import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml

import maskwright
from maskwright.cli.main import app
from maskwright.core import parts

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
VERBS = typer.main.get_command(app).commands
PART_FOLDERS = (
    "maskwright.data.formats",
    "maskwright.nn.archs",
    "maskwright.nn.losses",
    "maskwright.inference.engines",
    "maskwright.inference.refine",
    "maskwright.export.targets",
)


def _id(path):
    return str(path.relative_to(ROOT))


def _without_code(text):
    return re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)


def _code_lines(text):
    """Lines of fenced and of indented blocks; one that ends with `\\` goes on in the next."""
    text = text.replace("\\\n", " ")
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    indented = re.findall(r"^ {4,}(\S.*)$", text, flags=re.MULTILINE)
    return "\n".join([*fenced, *indented]).splitlines()


def _section(page, title):
    found = re.search(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE
    )
    assert found, f"no section '## {title}'"
    return found[1]


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_and_option_is_in_the_reference(verb):
    section = _section((DOCS / "reference/cli.md").read_text(), verb)
    names = [max(p.opts, key=len) for p in VERBS[verb].params if p.param_type_name == "option"]
    shared = {"--json", "--quiet", "--help"}
    assert not [name for name in names if name not in shared and f"`{name}" not in section]


@pytest.mark.parametrize("folder", PART_FOLDERS)
def test_every_part_is_in_the_docs(folder):
    text = "\n".join(page.read_text() for page in DOCS.rglob("*.md"))
    assert not [name for name in parts.names(folder) if f"`{name}`" not in text]


def test_every_finding_of_check_is_explained_with_its_severity():
    from maskwright.data.check.findings import KINDS

    rows = (DOCS / "howto/bad-data.md").read_text().splitlines()
    for code, kind in KINDS.items():
        row = next((row for row in rows if f"`{code}`" in row), "")
        assert kind.severity in row, code


def test_every_public_name_is_in_the_python_reference():
    page = (DOCS / "reference/python.md").read_text()
    assert not [name for name in maskwright.__all__ if f"maskwright.{name}" not in page]


@pytest.mark.parametrize("name", maskwright.__all__)
def test_every_public_name_can_be_had(name):
    assert callable(getattr(maskwright, name)) or name == "IGNORE"


def test_every_recipe_key_is_explained():
    from maskwright.training.recipe import Recipe

    page = (DOCS / "reference/files.md").read_text()
    document = Recipe().model_dump()
    keys = [f"{s}.{k}" for s, v in document.items() if isinstance(v, dict) for k in v]
    assert len(keys) > 30
    assert not [key for key in keys if f"`{key}`" not in page]


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_command_line_in_the_docs_parses(page):
    for line in _code_lines(page.read_text()):
        _, is_command, rest = line.partition("maskwright ")
        verb, *args = shlex.split(rest, comments=True) if is_command else [""]
        if re.fullmatch(r"[a-z]+", verb) and "..." not in args:
            assert verb in VERBS, line
            VERBS[verb].make_context(verb, args)


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(page.read_text())):
        if not re.match(r"\w+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_python_in_the_docs_uses_names_that_exist(page):
    code = "\n".join(_code_lines(page.read_text()))
    for name in re.findall(r"\bmaskwright\.(\w+)\(", code):
        assert name in maskwright.__all__


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text())
    assert sorted(listed) == sorted(str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md"))


def test_every_picture_is_drawn_by_a_script_that_needs_no_dataset():
    """Most public datasets may not be shown: `make picture` draws all scenes itself."""
    recipe = re.search(r"^picture: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)
    assert recipe
    assert "shared/data" not in recipe[1]
    scripts = {Path(name) for name in re.findall(r"benchmarks/\w+\.py", recipe[1])}
    words = recipe[1] + "".join((ROOT / script).read_text() for script in scripts)
    for picture in (DOCS / "images").iterdir():
        drawn = picture.stem.split("-")
        assert all(part in words for part in drawn), f"{picture.name}: no script draws it"


def test_pictures_in_the_docs_are_small():
    pictures = [p for p in DOCS.rglob("*") if p.suffix in {".png", ".jpg", ".webp"}]
    assert pictures
    assert all(p.stat().st_size < 300_000 for p in pictures)


def test_yaml_in_the_docs_is_yaml():
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.M):
            assert yaml.safe_load(block), page


def test_the_readme_shows_the_table_that_the_benchmark_wrote():
    shown = re.search(
        r"<!-- benchmark: begin -->\n(.*?)<!-- benchmark: end -->",
        (ROOT / "README.md").read_text(),
        re.DOTALL,
    )
    written = (ROOT / "benchmarks/real.md").read_text()
    assert shown
    assert shown[1].strip()
    assert all(line in written.splitlines() for line in shown[1].strip().splitlines())


def test_the_page_of_datasets_shows_scores_that_the_benchmark_wrote():
    shown = re.search(
        r"<!-- real: begin -->\n(.*?)<!-- real: end -->",
        (DOCS / "datasets.md").read_text(),
        re.DOTALL,
    )
    written = (ROOT / "benchmarks/real.md").read_text().splitlines()
    assert shown
    assert shown[1].strip()
    assert all(line in written for line in shown[1].strip().splitlines())


def test_every_format_that_the_page_of_datasets_names_exists():
    page = (DOCS / "datasets.md").read_text()
    names = re.findall(r"[|,] `([a-z0-9_]+)`", page)
    assert len(names) > 10
    assert not set(names) - set(parts.names("maskwright.data.formats"))
