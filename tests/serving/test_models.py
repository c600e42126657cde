import pytest

from maskwright.core.errors import ConfigError
from maskwright.serving.models import NamedModel


def test_a_model_is_named_or_has_the_name_of_its_run():
    assert NamedModel.parse("parts=runs/a/bundle") == NamedModel("parts", "runs/a/bundle")
    assert NamedModel.parse("runs/a/bundle") == NamedModel("a", "runs/a/bundle")


@pytest.mark.parametrize("text", ["stats=runs/a/bundle", "runs/stats/bundle"])
def test_the_name_of_the_statistics_is_refused(text):
    with pytest.raises(ConfigError, match="'stats' cannot name a model: /v2/models/stats"):
        NamedModel.parse(text)
