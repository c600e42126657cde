"""The refiners and values that `tune-refine` tries, stage by stage.

Values are spread by factors of two to four over the useful range of a setting. Stages on shares
come before those on class maps, as in every chain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from ...core.errors import ConfigError
from ...core.labels import LabelSpec
from ...core.refinechain import RefineStep

_AREAS_PX = (16, 64, 256, 1024)
_RADII_PX = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Stage:
    """Alternatives of which one is taken, or of `per_class` stages one for each class.

    A changed pixel of a `per_class` stage belongs to the class it had before, or with `by_new`
    to the class it has then.
    """

    name: str
    steps: tuple[RefineStep, ...]
    per_class: bool = False
    by_new: bool = False


def list_stages(
    labels: LabelSpec, families: Mapping[str, Sequence[str]], *, photographs: bool
) -> list[Stage]:
    """The stages for a model; refiners that follow colours only for `photographs`.

    `families` are classes of which a thing has one; where none is given, the things are one.
    """
    stages = []
    if photographs:
        stages.append(Stage("follow edges of the image", _list_edge_refiners()))
    if find_spec("skimage") is not None:
        sides = [{"side_px": side} for side in (6, 12, 24)]
        stages.append(Stage("superpixels", _steps("superpixels", sides)))
    things = tuple(labels.names[index] for index in labels.things)
    found = families or ({"things": things} if len(things) > 1 else {})
    for name, classes in found.items():
        step = RefineStep(refiner="vote", classes=tuple(classes))
        stages.append(Stage(f"one class per {name}", (step,)))
    areas = [{"area": f"{area} px"} for area in _AREAS_PX]
    stages += [
        Stage("small components", _steps("components", areas), per_class=True),
        Stage("holes", _steps("holes", areas), per_class=True, by_new=True),
    ]
    for operation, by_new in (("open", False), ("close", True)):
        steps = _steps(
            "morphology",
            [{"operation": operation, "radius_px": radius} for radius in _RADII_PX],
        )
        stages.append(Stage(operation, steps, per_class=True, by_new=by_new))
    return stages


def parse_families(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read families written as `vehicle=car+truck+bus`.

    Raises:
        ConfigError: Not so written, or with fewer than two classes.
    """
    families = {}
    for text in texts:
        name, _, rest = text.partition("=")
        classes = tuple(filter(None, rest.split("+")))
        if not name or len(classes) < 2:
            raise ConfigError(
                f"--family {text!r}: expected a name and its classes, such as "
                f"vehicle=car+truck+bus"
            )
        families[name] = classes
    return families


def _list_edge_refiners() -> tuple[RefineStep, ...]:
    guided = [
        {"radius_px": radius, "epsilon": epsilon}
        for radius, epsilon in ((2, 1e-3), (4, 1e-3), (8, 1e-3), (16, 1e-3), (8, 1e-2))
    ]
    weak = {"w1": 0.5, "theta_alpha": 10.0, "theta_beta": 5.0, "w2": 0.0}
    middle = {"w1": 2.0, "theta_alpha": 30.0, "theta_beta": 5.0, "w2": 1.0}
    return _steps("guided", guided) + _steps("crf", [weak, middle])


def _steps(refiner: str, settings: Sequence[Mapping[str, Any]]) -> tuple[RefineStep, ...]:
    return tuple(RefineStep(refiner=refiner, settings=one) for one in settings)
