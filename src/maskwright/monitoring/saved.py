"""Save what a Monitor has counted, and go on from there."""

import io
import json
import zipfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.typed import MALFORMED
from ..core.versioned import Document, Schema
from .monitor import Change, Monitor, ScopeMonitor


def _add_num_good(document: Document) -> Document:
    heads = [head | {"num_good": head["reference"][0]} for head in document["scopes"]]
    return document | {"scopes": heads}


SCHEMA = Schema(kind="state of a monitor", version=2, upgrades={1: _add_num_good})
_HEAD = "head.json"


def save_state(monitor: Monitor) -> bytes:
    """What was counted since `Monitor.start`; the reference itself is not in it."""
    heads = []
    arrays: dict[str, NDArray[np.float64] | NDArray[np.uint8]] = {}
    for index, one in enumerate(monitor.scopes.values()):
        change = None if one.change is None else one.change.to_json()
        heads.append(
            {
                "scope": one.reference.scope,
                "reference": list(one.reference.features_GF.shape),
                "state": one.state,
                "num_good": one.evidence.num_good,
                "num_groups": one.num_groups,
                "since": one.since,
                "since_key": one.since_key,
                "pending_sources": one.pending_sources,
                "change": change,
            }
        )
        arrays |= {f"{index}/{name}": values for name, values in _list_arrays(one)}
    text = json.dumps(SCHEMA.stamp({"scopes": heads}))
    arrays[_HEAD] = np.frombuffer(text.encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def restore_state(monitor: Monitor, state: bytes) -> None:
    """Give a Monitor that was started with the same reference what was counted before.

    Raises:
        DataError: Not such a state, or one of another reference; nothing is changed.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        document = SCHEMA.read(json.loads(arrays.pop(_HEAD).tobytes()), where="state")
        heads = {head["scope"]: (index, head) for index, head in enumerate(document["scopes"])}
        shapes = {name: head["reference"] for name, (_, head) in heads.items()}
    except (*MALFORMED, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"not a state of a monitor ({error!r}); start a new one") from error
    if shapes != {n: list(s.reference.features_GF.shape) for n, s in monitor.scopes.items()}:
        raise DataError("the state was counted with another reference; start a new one")
    for name, (index, head) in heads.items():
        one = monitor.scopes[name]
        change = head.pop("change")
        one.change = None if change is None else Change.from_json(change)
        one.evidence.num_good = head["num_good"]
        for attribute in ("state", "num_groups", "since", "since_key", "pending_sources"):
            setattr(one, attribute, head[attribute])
        _take_arrays(one, {key: arrays[f"{index}/{key}"] for key, _ in _list_arrays(one)})


def _list_arrays(one: ScopeMonitor) -> Iterator[tuple[str, NDArray[np.float64]]]:
    yield "pending", one.pending_nF
    yield "window", one.window_2WF
    yield "groups", one.evidence.groups_GF[one.evidence.num_reference :]
    yield "evidence_of_columns", one.evidence.of_columns_2F
    yield "evidence_of_families", one.evidence.of_families
    yield "sums", one.sums.of_columns_2F


def _take_arrays(one: ScopeMonitor, arrays: dict[str, NDArray[np.float64]]) -> None:
    one.pending_nF, one.window_2WF = arrays["pending"], arrays["window"]
    one.evidence.groups_GF = np.concatenate([one.reference.features_GF, arrays["groups"]])
    one.evidence.of_columns_2F = arrays["evidence_of_columns"]
    one.evidence.of_families = arrays["evidence_of_families"]
    one.sums.of_columns_2F = arrays["sums"]
