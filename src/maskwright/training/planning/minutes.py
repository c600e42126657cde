"""How a planned run spends its time: a row for each part, measured on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from maskwright.pages.text import format_count, text_table

from ..finish import count_finish_images
from ..pace import Budget
from ..recipe import Recipe
from .situation import Situation
from .timing import Timing


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a run, the seconds that it takes, and how they are made up."""

    name: str
    seconds: float
    detail: str


def explain_minutes(
    recipe: Recipe, situation: Situation, timing: Timing, budget: Budget | None
) -> tuple[Part, ...]:
    """The parts of the run of a recipe in their order; measures what was not measured yet.

    With a budget the first part is what has been spent, and the last one what is kept in
    reserve, negative where the run is planned to take longer.
    """
    schedule, batch = recipe.schedule, recipe.data.batch_size * recipe.optim.accumulate
    per_epoch = schedule.steps_per_epoch or -(-situation.num_train // batch)
    num_steps = schedule.epochs * per_epoch
    num_validations = -(-schedule.epochs // schedule.validate_every)
    sample_s, image_s = timing.sample_seconds(recipe), timing.image_seconds(recipe)
    step_s = timing.step_seconds(recipe) * recipe.optim.accumulate
    finish_images, export_s = count_finish_images(situation.num_val), timing.export_seconds()
    workers = recipe.data.workers
    beside = f", in {format_count(workers, 'process')} beside the steps" if workers else ""
    crops_s = num_steps * batch * sample_s / max(1, workers)
    num_images = num_validations * situation.num_val
    parts = [
        Part(
            "data",
            crops_s,
            f"{format_count(num_steps * batch, 'crop')}, {1000 * sample_s:.1f} ms each{beside}",
        ),
        Part(
            "steps",
            num_steps * step_s,
            f"{format_count(num_steps, 'step')} of {format_count(batch, 'crop')}, "
            f"{step_s:.3g} s each",
        ),
        Part(
            "validation",
            num_images * image_s,
            f"{num_validations} x {format_count(situation.num_val, 'image')}, "
            f"{image_s:.3g} s each",
        ),
        Part(
            "report",
            finish_images * image_s,
            f"as long as {finish_images:.0f} images: temperature, scores, pictures, parity",
        ),
        Part("export", export_s, "the graph, and the libraries that write it"),
    ]
    if budget is not None:
        parts.insert(0, Part("start", budget.spent_s, "reading the data and measuring"))
        left_s = budget.total_s - sum(part.seconds for part in parts)
        parts.append(Part("reserve", left_s, f"of a budget of {budget.total_s:g} s"))
    return tuple(parts)


def list_minutes(parts: Sequence[Part]) -> list[str]:
    """Lines of a table, with the sum."""
    total = Part("sum", sum(part.seconds for part in parts), "")
    rows = [(p.name, f"{p.seconds / 60:.1f}", p.detail) for p in (*parts, total)]
    return text_table(("part", "minutes", ""), rows, words=(0, 2))
