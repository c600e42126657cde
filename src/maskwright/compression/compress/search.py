"""One model -> smaller networks, graphs in every precision, on every engine: one is chosen.

OUT.partial/  .journal.jsonl     a line for each network that is done
              networks/whole/bundle, networks/pruned-50 (a run), ...
OUT/          index.html, front*.svg, compress.json, bundle (the chosen one), networks
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from maskwright.core.bundle import (
    BASELINE,
    ESTIMATOR,
    GRAPH,
    PARITY,
    REPORT,
    WEIGHTS,
    open_bundle,
    write_bundle,
)
from maskwright.core.errors import BundleError, ConfigError, DataError, TrainingError
from maskwright.core.journal import Journal
from maskwright.core.results import NEW, WriteMode, fill_folder
from maskwright.data.dataset import open_dataset
from maskwright.inference.bench.bench import SIZE_HW
from maskwright.inference.choice import open_source
from maskwright.inference.machine import Machine
from maskwright.training.options import Callbacks, TrainOptions

from .candidates import WHOLE, Candidate, Wish, choose
from .judge import Judge
from .networks import Setting, Timing, Tried, open_test, write_graphs
from .output import DOCUMENT, Compression, write_files
from .ways import (
    LEAST_S,
    Origin,
    Way,
    count_affordable,
    describe_ways,
    explain_left_out,
    list_ways,
    require_possible,
)

FindWays = Callable[[Origin, Path], Sequence[Way]]

BUNDLE = "bundle"
NETWORKS = "networks"

_BESIDE = (PARITY, REPORT, BASELINE, ESTIMATOR)
"""Files of a Bundle that stay beside the chosen graph and the network."""

_QAT_SHARE = 0.05
"""Share of a budget for training the int8 of one network that loses too much."""


def compress_model(
    model: Path | str,
    data: Path | str,
    out: Path,
    wish: Wish,
    *,
    training: TrainOptions | None = None,
    engines: Sequence[str] | None = None,
    size_HW: tuple[int, int] | None = None,
    threads: int = 1,
    mode: WriteMode = NEW,
    callbacks: Callbacks | None = None,
    find_ways: FindWays = list_ways,
) -> Compression:
    """Write the folder `out`: page, JSON, pictures, all networks, and the Bundle chosen.

    Args:
        model: A Bundle with weights, a run, or a checkpoint.
        data: A dataset with labels: int8 is calibrated on `train`, all are scored on `val`.
        out: See `core.results`.
        wish: The time of one image, and what may be lost.
        training: With a budget, that of the whole work, smaller networks are made and trained
            too (`ways`); None: nothing is trained.
        engines: Names of those that are compared; None for all.
        size_HW: Of the input of the network whose time is measured; None as in `bench`.
        threads: Of the engines.
        mode: Overwrite replaces the folder; resume keeps the networks that are done.
        callbacks: Log lines, progress bars, status after each step of a training.
        find_ways: Gives the smaller networks that are tried within the budget.

    Raises:
        BundleError: Not a model, or its ONNX graph disagrees with the network.
        ConfigError: The network cannot be exported, or a setting is wrong.
        DataError: The data have no labels, or other classes than the model.
        OutputError: `out` exists, there is nothing to resume, or it cannot be written.
    """
    training, callbacks = training or TrainOptions(), callbacks or Callbacks()
    require_possible(training)
    size_HW = size_HW or open_source(Path(model)).card.only_size_HW or SIZE_HW
    timed = Timing(engines, size_HW, threads)
    head = _identify(model, data, wish, training, timed)
    with fill_folder(out, "compress", mode, marker=DOCUMENT, head=head) as partial:
        setting = _open_setting(data, wish, training, timed, callbacks)
        search = _Search.begin(partial.folder / NETWORKS, partial.journal, setting)
        judge = search.try_whole(model)
        if training.budget_s is None:
            search.notes.append(
                f"not tried, as it takes time to train: {describe_ways(judge.card)}; --budget "
                f"1h tries it"
            )
        else:
            origin = Origin(model, judge.card, data, training, callbacks)
            ways = find_ways(origin, search.folder)
            search.notes += explain_left_out(judge.card)
            search.try_ways(ways, judge, training.budget_s)
        found = search.summarise(model, data, judge)
        _write_chosen(found.chosen, judge, partial.folder)
        write_files(found, partial.folder)
    return found


def _identify(
    model: Path | str, data: Path | str, wish: Wish, training: TrainOptions, timed: Timing
) -> dict[str, object]:
    """What a search that is resumed must have in common with that of before."""
    return {
        "verb": "compress",
        "model": str(model),
        "data": str(data),
        "wish": asdict(wish),
        "timing": asdict(timed),
        "settings": dict(training.settings),
    }


def _open_setting(
    data: Path | str, wish: Wish, training: TrainOptions, timed: Timing, callbacks: Callbacks
) -> Setting:
    """Open the data, and give training of int8 its share of a budget."""
    dataset = open_dataset(
        data, allow_outside=training.allow_outside, progress=callbacks.progress
    )
    budget_s = training.budget_s
    return Setting(
        dataset=dataset,
        wish=wish,
        timed=timed,
        trains_int8_s=None if budget_s is None else _QAT_SHARE * budget_s,
        keep_parity_images=training.keep_parity_images,
        progress=callbacks.progress,
        log=callbacks.log,
    )


@dataclass(slots=True, kw_only=True)
class _Search:
    """Tries one network after the other; those of an interrupted search are in `tried`.

    `spent_s` are the seconds that the interrupted search took for them.
    """

    folder: Path
    journal: Journal
    setting: Setting
    tried: dict[str, Tried]
    spent_s: float
    started_s: float = field(default_factory=time.monotonic)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls, folder: Path, journal: Journal, setting: Setting) -> "_Search":
        done = [Tried.from_json(line) for line in journal.lines()]
        return cls(
            folder=folder,
            journal=journal,
            setting=setting,
            tried={one.network: one for one in done},
            spent_s=sum(one.seconds for one in done),
        )

    def try_whole(self, model: Path | str) -> Judge:
        """Compare the engines of the network given; what judges all networks beside it."""
        path, started_s, notes = self.folder / WHOLE / BUNDLE, time.monotonic(), []
        is_done = WHOLE in self.tried
        test = open_test(path if is_done else model, self.setting)
        if not is_done:
            notes = write_graphs(model, path, self.setting, test)
        judge = Judge(open_bundle(path), test, self.setting)
        if not is_done:
            self._add(WHOLE, "as it was given", judge, notes, (started_s, started_s))
        return judge

    def try_ways(self, ways: Sequence[Way], judge: Judge, budget_s: float) -> None:
        """Make smaller networks while there is time, and compare their engines."""
        ways = [way for way in ways if way.name not in self.tried]
        while ways:
            left_s = budget_s - self.spent_s - (time.monotonic() - self.started_s)
            judging_s = max(one.judging_s for one in self.tried.values())
            count = count_affordable(left_s, len(ways), judging_s)
            if not count:
                names = ", ".join(way.name for way in ways)
                self.notes.append(
                    f"not tried: {names}: {max(0, left_s):.0f} s of the budget are left, each "
                    f"needs {LEAST_S + judging_s:.0f} s; give a longer --budget"
                )
                return
            way = ways.pop(0)
            obstacle = self._find_obstacle(way)
            if obstacle:
                self.notes.append(f"not tried: {way.name}: {obstacle}")
            else:
                self._try_way(way, judge, left_s / count - judging_s)

    def summarise(self, model: Path | str, data: Path | str, judge: Judge) -> Compression:
        """Choose one of all candidates."""
        tried = tuple(self.tried.values())
        candidates = tuple(one for network in tried for one in network.candidates)
        quality = judge.quality
        return Compression(
            model=str(model),
            model_id=judge.model_id,
            data=str(data),
            split=quality.split,
            num_images=quality.num_images,
            wish=self.setting.wish,
            machine=Machine.detect(),
            timed=self.setting.timed,
            reference=judge.reference,
            networks={one.network: one.how for one in tried},
            candidates=candidates,
            chosen=choose(candidates, self.setting.wish),
            notes=(*(note for one in tried for note in one.notes), *self.notes),
        )

    def _find_obstacle(self, way: Way) -> str:
        """Why a way is not worth its time; empty where it is."""
        if way.after is None:
            return ""
        before = self.tried.get(way.after)
        if before is None:
            return f"it starts from {way.after}, which was not made"
        if not any(map(self.setting.wish.keeps_score, before.candidates)):
            return f"it starts from {way.after}, which does not keep the score already"
        return ""

    def _try_way(self, way: Way, judge: Judge, seconds: float) -> None:
        started_s, run = time.monotonic(), self.folder / way.name
        self.setting.log(f"{way.name}: {way.how}; {seconds:.0f} s to train")
        shutil.rmtree(run, ignore_errors=True)  # of a search that was interrupted
        try:
            way.train(run, seconds)
            trained_s, path = time.monotonic(), run / BUNDLE
            test, whole_miou = open_test(path, self.setting), judge.quality.network_miou
            notes = write_graphs(path, path, self.setting, test, whole_miou=whole_miou)
            how = f"{way.how}, trained for {trained_s - started_s:.0f} s"
            self._add(way.name, how, judge, notes, (started_s, trained_s))
        except (BundleError, ConfigError, DataError, TrainingError) as error:
            shutil.rmtree(run, ignore_errors=True)
            self.notes.append(f"not tried: {way.name}: {error}")

    def _add(
        self,
        network: str,
        how: str,
        judge: Judge,
        notes: Sequence[str],
        times_s: tuple[float, float],
    ) -> None:
        """Compare the engines of a network; `times_s` are its start and the end of training."""
        candidates, bench = judge.judge(network, open_bundle(self.folder / network / BUNDLE))
        not_run = [
            f"{one.engine} {one.precision} does not run here: {one.reason}"
            for one in bench.not_run
        ]
        now_s = time.monotonic()
        self.tried[network] = Tried(
            network=network,
            how=how,
            candidates=tuple(candidates),
            notes=tuple(f"{network}: {note}" for note in (*notes, *not_run)),
            seconds=now_s - times_s[0],
            judging_s=now_s - times_s[1],
        )
        self.journal.add(self.tried[network].to_json())


def _write_chosen(chosen: Candidate, judge: Judge, folder: Path) -> None:
    """Write the Bundle whose only graph is the chosen one, on the chosen engine."""
    bundle = open_bundle(folder / NETWORKS / chosen.network / BUNDLE)
    graph = judge.make_graph(bundle, chosen)
    stem = Path(graph.file).stem
    network = WEIGHTS if bundle.has_weights else GRAPH
    kept = (network, *_BESIDE, graph.file, f"{stem}.json", f"{stem}.svg")
    files = {name: bundle.file(name) for name in kept if name in bundle.files}
    write_bundle(folder / BUNDLE, bundle.card, files, graphs=[graph], model_id=bundle.model_id)
