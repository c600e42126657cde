"""An ONNX file of others -> Bundle, after its rewritten graph is compared with it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.bundle import GRAPH, PARITY, Bundle, add_files, fill_bundle, open_bundle
from ...core.card import ArchSpec, ModelCard
from ...core.errors import ConfigError
from ...core.graph import Graph, Parity, Tolerance
from ...core.image import Image
from ...core.labels import LabelSpec
from ...core.logits import LogitsGrid
from ...core.progress import Progress, silent
from ...core.results import NEW, WriteMode
from ...core.trust import hash_file, remember, require_digest
from ...data.classmaps import read_spec
from ...data.pixels.images import read_image
from ...inference.engine import Engine, EngineOptions
from ...inference.engines import onnxruntime
from ...inference.inputs import find_images
from ...inference.parity import Planes, compare, keep_inputs
from ...inference.resolution import to_network
from ...inference.seams import measure_graph
from ...inference.tiling import LEAST_TILE_PX, UNIT, is_tile
from ..fixedsize import fit
from ..inside import find_stored_type
from .detection import find_layouts
from .inputfile import InputFile, make_input_spec, read_input_file
from .layout import InputLayout, OutputLayout
from .network import adapt_to_kind
from .original import ForeignNetwork, Original, find_opset, load_graph, update_opset
from .rewrite import rewrite
from .trial import require_trial

ARCH = "foreign"
"""Name of the architecture in the card: nobody can build it but the graph itself."""

_NUM_NOISE = 2
_NUM_IMAGES = 8
_NOISE_HW = (150, 203)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedModel:
    """The Bundle, and what was found in the file, as lines for people."""

    bundle: Bundle
    found: tuple[str, ...]


def import_onnx(
    file: Path | str,
    out: Path | str,
    *,
    spec: Path | str,
    input_file: Path | str,
    images: Sequence[Path | str] = (),
    trust: str | None = None,
    keep_parity_images: bool = True,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> ImportedModel:
    """Write the Bundle `out`: the graph of `file`, rewritten so that it gives logits.

    Args:
        file: An ONNX file; its external data lies in its folder.
        out: See `core.results`.
        spec: The classes, dataset.yaml or classes.txt.
        input_file: input.yaml, see `InputFile`.
        images: Image files and folders, on eight of which both graphs are compared, beside
            noise.
        trust: SHA-256 of `file`, which then runs without a trial.
        keep_parity_images: Keep crops of the images, or of the noise where there are none.
        mode: Overwrite replaces a Bundle.
        progress: Of reading and comparing.

    Raises:
        BundleError: The file is not a graph of one image and these classes that runs here, or
            the rewritten graph disagrees with it.
        ConfigError: `spec` or `input_file` is wrong, or lacks what cannot be found.
        DataError: No such file, or an image that the model does not take.
    """
    file, where = Path(file), Path(input_file)
    require_digest(trust)
    settings, labels = read_input_file(where), read_spec(Path(spec))
    model = load_graph(file)
    with fill_bundle(Path(out), mode) as folder:
        require_trial(file, where, trust)
        original = Original.open(file)
        taken, given, reason = find_layouts(original, settings, len(labels), where)
        card = _make_card(file, model, labels, settings, taken, given)
        path, updated = folder / GRAPH, update_opset(file, model)
        path.write_bytes(rewrite(updated, taken, given).SerializeToString())
        remember("graph", hash_file(path))
        prepared = list(_read_images(images, card))
        inputs_CHW = [_make_input(image_HWC, card, taken) for image_HWC in prepared]
        network = ForeignNetwork(original, taken, given)
        tested = [*_make_noise(card, taken), *inputs_CHW]
        engine = onnxruntime.build(path, card, EngineOptions())
        inputs = progress(tested, total=len(tested), what="comparing with the original")
        parity = _compare(network, engine, inputs, file)
        allowed = adapt_to_kind(Tolerance(), given.kind)
        graph = Graph(file=GRAPH, engine=engine.name, tolerance=allowed, parity=parity)
        graph = measure_graph(graph, engine, card, prepared)
        files = {GRAPH: path}
        if keep_parity_images and keep_inputs(network, inputs_CHW or tested, folder / PARITY):
            files[PARITY] = folder / PARITY
        add_files(folder, card, files, graphs=[graph])
    found = f"input   {taken}", f"output  {given} ({reason})"
    return ImportedModel(bundle=open_bundle(Path(out)), found=found)


def _make_card(
    file: Path,
    model: Any,
    labels: LabelSpec,
    settings: InputFile,
    taken: InputLayout,
    given: OutputLayout,
) -> ModelCard:
    return ModelCard(
        labels=labels,
        input=make_input_spec(
            settings,
            taken.channels,
            _choose_size(file, settings, taken),
            is_integer=taken.is_integer,
        ),
        arch=ArchSpec(name=ARCH, encoder="none"),
        provenance={
            "imported": {
                "file": file.name,
                "sha256": hash_file(file),
                "producer": f"{model.producer_name} {model.producer_version}".strip(),
                "opset": find_opset(model),
                "input": str(taken),
                "output": str(given),
                "values": given.kind,
                "size_HW": taken.size_HW,
            }
        },
        logits=_find_grid(taken, given),
    )


def _find_grid(taken: InputLayout, given: OutputLayout) -> LogitsGrid:
    """Where the logits lie; a fixed size is a multiple of the stride."""
    if given.stride == 1:
        return LogitsGrid()
    return LogitsGrid(given.stride, taken.multiple if taken.size_HW is None else given.stride)


def _choose_size(file: Path, settings: InputFile, taken: InputLayout) -> tuple[int, int] | None:
    """The size to which images are resized; None for their own, or for tiles.

    Raises:
        ConfigError: Another size than the fixed one, or tiles that the tiling cannot use.
    """
    fixed = taken.size_HW
    if settings.size == "tiles":
        if fixed is None:
            raise ConfigError(
                f"size: tiles, but {file.name} takes free sizes; leave size out: large images "
                f"are cut into tiles by themselves"
            )
        if not is_tile(fixed):
            raise ConfigError(
                f"size: tiles, but {file.name} takes {fixed[0]} x {fixed[1]} px: tiles have "
                f"sides of {LEAST_TILE_PX} px or more, in multiples of {UNIT}; leave size out, "
                f"then images are resized"
            )
        return None
    if settings.size is not None and min(settings.size) < 1:
        raise ConfigError(f"size: {list(settings.size)}; expected height and width in pixels")
    if settings.size is not None and fixed not in {None, settings.size}:
        raise ConfigError(
            f"size: {list(settings.size)}, but {file.name} takes {list(fixed or ())} alone"
        )
    if fixed is not None and settings.scale != 1:
        raise ConfigError(
            f"scale: {settings.scale:g}, but {file.name} takes {fixed[0]} x {fixed[1]} px, to "
            f"which every image is resized; leave scale out, or write size: tiles"
        )
    return settings.size or fixed


def _read_images(images: Sequence[Path | str], card: ModelCard) -> Iterator[Image]:
    """Up to eight images, evenly spread, as the model takes them."""
    found = list(find_images(images).images.values())
    step = max(1, -(-len(found) // _NUM_IMAGES))
    for ref in found[::step]:
        yield card.input.prepare(read_image(ref), where=str(ref))


def _make_input(image_HWC: Image, card: ModelCard, taken: InputLayout) -> Planes:
    """The image as the graph takes it; a part of it where it would be cut into tiles."""
    x_CHW = to_network(image_HWC, card.input)
    return x_CHW if taken.size_HW is None else fit(x_CHW, taken.size_HW)


def _make_noise(card: ModelCard, taken: InputLayout) -> Iterator[Planes]:
    """Images of random stored values as the graph takes them."""
    shape, spec = (*(taken.size_HW or _NOISE_HW), taken.channels), card.input
    for seed in range(_NUM_NOISE):
        image_HWC = np.random.default_rng(seed).integers(
            0, spec.max_value, shape, np.dtype(find_stored_type(spec)), endpoint=True
        )
        yield spec.measure_scaling(image_HWC).normalize(image_HWC)


def _compare(
    network: ForeignNetwork, engine: Engine, inputs_CHW: Iterable[Planes], file: Path
) -> Parity:
    """How far the rewritten graph is from the original; raises BundleError where it is."""
    num_crops = 0 if engine.size_HW is not None else engine.max_batch
    parity = compare(network, engine, inputs_CHW, num_crops=num_crops)
    parity.require_agreement(
        Tolerance(), graph=f"{file}: the rewritten graph", fix="nothing was written"
    )
    return parity
