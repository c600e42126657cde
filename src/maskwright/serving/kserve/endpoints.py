"""The paths of the inference protocol: health, metadata, statistics, and `infer`.

Inputs of a model: `image`, UINT8 (N, H, W, C), or `encoded`, BYTES (N), image files. Outputs:
`labels` and `confidence`, UINT8 (N, H, W), at the size of the image, and `bundle`, BYTES (1).
"""

import asyncio
import gzip
import math
import zlib
from collections.abc import Sequence
from importlib.metadata import version as find_version

from starlette.requests import Request
from starlette.responses import Response

from ...core.versioned import Document
from ..errors import ServingError
from ..messages import RAW, TENSORS, Outcome, Task
from ..models import Version
from ..receiving import expect_bytes, read_body, run_unless_gone
from ..responses import answer_json
from ..service import Service
from ..watch.origin import Origin
from .tensors import BYTES, LENGTH, UINT8, InferenceRequest, Tensor, read_request, write_answer

IMAGE, ENCODED = "image", "encoded"
LABELS, CONFIDENCE, BUNDLE = "labels", "confidence", "bundle"
EXTENSIONS = ("binary_tensor_data", "model_configuration", "statistics", "model_repository")
_TIMEOUT_US = "timeout"
_MOST_IMAGES = 64


async def show_server(_service: Service, _request: Request) -> Response:
    """Name, version and extensions of the server."""
    return answer_json(
        {
            "name": "maskwright",
            "version": find_version("maskwright"),
            "extensions": list(EXTENSIONS),
        }
    )


def _find(service: Service, request: Request) -> Version:
    path = request.path_params
    number = path.get("version")
    return service.models.choose(path["model"], None if number is None else str(number))


async def show_model_ready(service: Service, request: Request) -> Response:
    """200 where the model answers, else 503."""
    version = _find(service, request)
    if version.child.is_ready and not service.is_draining:
        return answer_json({"name": version.child.choice.name, "ready": True})
    return answer_json({"error": f"model {version.child.choice.name} is not ready"}, 503)


async def show_model(service: Service, request: Request) -> Response:
    """Inputs and outputs of a model, -1 for sides that are free."""
    version = _find(service, request)
    name = version.child.choice.name
    numbers = [v.number for v in service.models.list_versions(name)]
    return answer_json(
        {"name": name, "versions": numbers, "platform": "onnx_onnxv1"}
        | _describe_tensors(version.facts.channels)
    )


def _describe_tensors(channels: int) -> Document:
    def tensor(name: str, datatype: str, *shape: int) -> Document:
        return {"name": name, "datatype": datatype, "shape": list(shape)}

    return {
        "inputs": [tensor(IMAGE, UINT8, -1, -1, -1, channels), tensor(ENCODED, BYTES, -1)],
        "outputs": [
            tensor(LABELS, UINT8, -1, -1, -1),
            tensor(CONFIDENCE, UINT8, -1, -1, -1),
            tensor(BUNDLE, BYTES, 1),
        ],
    }


async def show_config(service: Service, request: Request) -> Response:
    """The configuration of a model as Triton shows it."""
    version = _find(service, request)
    tensors = _describe_tensors(version.facts.channels)

    def rename(entry: Document) -> Document:
        kind = "TYPE_STRING" if entry["datatype"] == BYTES else f"TYPE_{entry['datatype']}"
        return {"name": entry["name"], "data_type": kind, "dims": entry["shape"]}

    return answer_json(
        {
            "name": version.child.choice.name,
            "platform": "onnx_onnxv1",
            "backend": "maskwright",
            "max_batch_size": 0,
            "input": [rename(entry) for entry in tensors["inputs"]],
            "output": [rename(entry) for entry in tensors["outputs"]],
        }
    )


async def show_statistics(service: Service, request: Request) -> Response:
    """Counts and times of a model, or of all."""
    names: Sequence[str] = service.models.names
    if "model" in request.path_params:
        names = [_find(service, request).child.choice.name]
    found = [
        service.statistics.describe(name, version.number)
        for name in names
        for version in service.models.list_versions(name)
    ]
    return answer_json({"model_stats": found})


async def list_repository(service: Service, _request: Request) -> Response:
    """Every model and its state."""
    found = [
        {
            "name": name,
            "version": version.number,
            "state": "READY" if version.child.is_ready else "UNAVAILABLE",
            "reason": "" if version.child.is_ready else "it is being started",
        }
        for name in service.models.names
        for version in service.models.list_versions(name)
    ]
    return answer_json(found)


async def infer(service: Service, request: Request) -> Response:
    """Predict the images of a request."""
    with service.admission.hold_bytes(expect_bytes(request, service.limits)):
        body = await read_body(request, service.limits)
        asked = read_request(body, request.headers.get(LENGTH))
        tasks = _list_tasks(service, asked)
        version = _find(service, request)
        with version.lease():
            origin = Origin.of_request(request, request.state.number)
            work = _predict_all(service, version, tasks, origin)
            outcomes = await run_unless_gone(request, work)
    tensors = _join(outcomes, version.facts.bundle)
    head = {"model_name": version.child.choice.name, "model_version": version.number}
    headers, content = write_answer(head, tensors, asked)
    encoding, content = _compress(request.headers.get("accept-encoding", ""), content)
    return Response(content, 200, headers | encoding)


async def _predict_all(
    service: Service, version: Version, tasks: Sequence[tuple[Task, bytes]], origin: Origin
) -> list[Outcome]:
    """All images; where one fails the request does, and the others are not waited for."""
    try:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(
                    service.predict(version, *task, origin.of_image(index, len(tasks)))
                )
                for index, task in enumerate(tasks)
            ]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in running]


def _list_tasks(service: Service, asked: InferenceRequest) -> list[tuple[Task, bytes]]:
    if len(asked.inputs) != 1 or asked.inputs[0].name not in (IMAGE, ENCODED):
        names = [tensor.name for tensor in asked.inputs]
        raise ServingError(400, f"expected one input, {IMAGE!r} or {ENCODED!r}, got {names}")
    (tensor,) = asked.inputs
    options = _read_options(service, asked)
    if tensor.name == ENCODED:
        return [_take_file(service, e, i, options) for i, e in enumerate(_list_files(tensor))]
    return _list_images(tensor, options)


def _list_files(tensor: Tensor) -> tuple[bytes, ...]:
    if tensor.datatype != BYTES or not 1 <= len(tensor.elements) <= _MOST_IMAGES:
        raise ServingError(
            400, f"input {ENCODED!r}: expected {BYTES} with 1 to {_MOST_IMAGES} image files"
        )
    return tensor.elements


def _take_file(
    service: Service, content: bytes, index: int, options: Task
) -> tuple[Task, bytes]:
    name = f"image {index}"
    suffix, num_px = service.find_suffix(content, name)
    return options.of_image(suffix, num_px, name), content


def _list_images(tensor: Tensor, options: Task) -> list[tuple[Task, bytes]]:
    shape = tensor.shape
    if tensor.datatype != UINT8 or len(shape) != 4 or not 1 <= shape[0] <= _MOST_IMAGES:
        raise ServingError(
            400,
            f"input {IMAGE!r}: expected {UINT8} of shape [N, H, W, C] with N up to "
            f"{_MOST_IMAGES}, got {tensor.datatype} {list(shape)}",
        )
    if 0 in shape:
        raise ServingError(400, f"input {IMAGE!r}: shape {list(shape)} has no pixels")
    size = math.prod(shape[1:])
    return [
        (
            options.of_image(RAW, shape[1] * shape[2], f"image {i}", shape[1:]),
            tensor.content[i * size : (i + 1) * size],
        )
        for i in range(shape[0])
    ]


def _read_options(service: Service, asked: InferenceRequest) -> Task:
    """A task without its image: tiles, refiners and time by the parameters of a request."""
    timeout_us = asked.parameters.get(_TIMEOUT_US, 0)
    if not isinstance(timeout_us, int) or timeout_us < 0:
        raise ServingError(400, f"parameter timeout is {timeout_us!r}, expected microseconds")
    most_s = service.limits.request_s
    return Task(
        id=0,
        suffix=RAW,
        num_px=0,
        name="image",
        form=TENSORS,
        tile=_read_text(asked, "tile"),
        refine=_read_text(asked, "refine"),
        timeout_s=min(most_s, timeout_us / 1e6) if timeout_us else most_s,
    )


def _read_text(asked: InferenceRequest, name: str) -> str | None:
    value = asked.parameters.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ServingError(400, f"parameter {name} is {value!r}, expected text")


def _join(outcomes: Sequence[Outcome], bundle: str) -> list[Tensor]:
    """The outputs of all images, which have one size.

    Raises:
        ServingError: 400 where the images of `encoded` differ in size.
    """
    sizes = {outcome.size_HW for outcome in outcomes}
    if len(sizes) > 1:
        raise ServingError(
            400, f"the images have {len(sizes)} sizes; one tensor holds one: send them apart"
        )
    shape = (len(outcomes), *sizes.pop())
    halves = [len(outcome.body) // 2 for outcome in outcomes]
    labels = b"".join(o.body[:half] for o, half in zip(outcomes, halves, strict=True))
    confidence = b"".join(o.body[half:] for o, half in zip(outcomes, halves, strict=True))
    return [
        Tensor(name=LABELS, datatype=UINT8, shape=shape, content=labels),
        Tensor(name=CONFIDENCE, datatype=UINT8, shape=shape, content=confidence),
        Tensor(name=BUNDLE, datatype=BYTES, shape=(1,), elements=(bundle.encode(),)),
    ]


def _compress(accept: str, content: bytes) -> tuple[dict[str, str], bytes]:
    """The content as the client takes it; the header of its length counts the plain bytes."""
    taken = [entry.split(";")[0].strip().lower() for entry in accept.split(",")]
    if "gzip" in taken:
        return {"Content-Encoding": "gzip"}, gzip.compress(content, 1)
    if "deflate" in taken:
        return {"Content-Encoding": "deflate"}, zlib.compress(content, 1)
    return {}, content
