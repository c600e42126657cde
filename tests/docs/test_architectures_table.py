from pathlib import Path

import architectures
import pytest

ROOT = Path(architectures.__file__).parents[1]


def test_the_docs_show_the_table_of_architectures_that_the_benchmark_wrote():
    text = architectures.DOCS.read_text()
    shown = text.partition(architectures.BEGIN)[2].partition(architectures.END)[0]
    written = (ROOT / "benchmarks/architectures.md").read_text()
    assert shown.strip() == architectures.first_table(written)
    assert len(shown.strip().splitlines()) >= 2 + 8  # two lines of head


def test_memory_and_speed_stand_in_a_row_only_where_they_were_measured():
    case = architectures.CASES["fpn/mobilenet_v2"]
    run = {"confusion": [[3, 1], [0, 4]]}
    cells = [c.strip() for c in architectures._row(case, run, None).strip("|").split("|")]
    assert cells == ["fpn", "mobilenet_v2", "ImageNet", "77.5%", "", "", "", ""]


@pytest.mark.parametrize("key", architectures.CASES)
def test_only_the_encoder_whose_weights_there_are_starts_from_them(key):
    case = architectures.CASES[key]
    recipe = case.recipe("some/file.pth")
    assert (recipe.model.encoder_weights == "none") == (case.encoder != "mobilenet_v2")
    assert recipe.optim.encoder_lr_ratio == (0.5 if case.is_pretrained else 1.0)
