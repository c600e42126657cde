"""Words of other tools, and what they are called here: the one table of both.

A template holds the value that was typed as `{}`. Of several templates the first counts whose
option or argument the verb has: `model` is MODEL of `predict`, and `--arch` of `train`.
"""

from collections.abc import Collection, Mapping, Sequence

VERBS: Mapping[str, str] = {
    "annotate": "predict MODEL photos -o out",
    "autobatch": "plan DATA",
    "benchmark": "bench MODEL",
    "checks": "env",
    "classify": "predict MODEL photos -o out",
    "cfg": "plan DATA",
    "config": "plan DATA",
    "create": "split DATA",
    "detect": "predict MODEL photos -o out",
    "doctor": "env",
    "eval": "evaluate MODEL DATA --split test",
    "evaluation": "evaluate MODEL DATA --split test",
    "finetune": "train DATA -o RUN --init MODEL",
    "fingerprint": "check DATA",
    "fit": "train DATA -o RUN",
    "infer": "predict MODEL photos -o out",
    "inference": "predict MODEL photos -o out",
    "info": "env",
    "init": "plan DATA",
    "inspect": "check DATA",
    "list": "models",
    "metrics": "score PREDICTIONS TRUTH -o report",
    "nnUNetv2_convert_MSD_dataset": "convert SRC DST --to mask_folder",
    "nnUNetv2_evaluate_folder": "score PREDICTIONS TRUTH -o report",
    "nnUNetv2_export_model_to_zip": "export MODEL --to onnx -o BUNDLE",
    "nnUNetv2_extract_fingerprint": "check DATA",
    "nnUNetv2_find_best_configuration": "compare report-a report-b",
    "nnUNetv2_plan_and_preprocess": "plan DATA",
    "nnUNetv2_plan_experiment": "plan DATA",
    "nnUNetv2_predict": "predict MODEL photos -o out",
    "nnUNetv2_preprocess": "plan DATA",
    "nnUNetv2_train": "train DATA -o RUN",
    "plan_and_preprocess": "plan DATA",
    "preprocess": "plan DATA",
    "prepare": "split DATA",
    "segment": "predict MODEL photos -o out",
    "settings": "env",
    "show": "check DATA",
    "stats": "check DATA",
    "system": "env",
    "test": "evaluate MODEL DATA --split test",
    "train_test_split": "split DATA",
    "tune": "plan DATA",
    "val": "evaluate MODEL DATA --split val",
    "valid": "evaluate MODEL DATA --split val",
    "validate": "evaluate MODEL DATA --split val",
    "verify": "check DATA",
    "zoo": "models",
}
"""Verbs of other tools, with the command that does it here."""

TASKS = frozenset({"classify", "detect", "obb", "pose", "segment", "semantic"})
"""Words of Ultralytics before its verbs; here there is one task."""

_ARCH = ("--arch {}", "--set model.arch={}")
_BATCH = ("--batch {}", "--set data.batch_size={}")
_CROP = ("--crop {0}x{0}", "--set 'data.crop_px=[{0},{0}]'")
_ENCODER = ("--encoder {}", "--set model.encoder={}")
_EPOCHS = ("--epochs {}", "--set schedule.epochs={}")
_INIT = "--init {}"
_OUT = "--out {}"
_WEIGHTS = "--set model.encoder_weights={}"

OPTIONS: Mapping[str, Sequence[str]] = {
    "accumulate": ("--set optim.accumulate={}",),
    "architecture": _ARCH,
    "backbone": _ENCODER,
    "batch": _BATCH,
    "batch-size": _BATCH,
    "bs": _BATCH,
    "c": ("--recipe {}",),
    "cfg": ("--recipe {}",),
    "checkpoint": ("MODEL", _INIT),
    "ckpt": ("MODEL", _INIT),
    "classes": ("--spec {}",),
    "config": ("--recipe {}",),
    "crop-size": _CROP,
    "d": ("DATA",),
    "data": ("DATA", "TRUTH"),
    "data-dir": ("DATA",),
    "dataset": ("DATA", "SRC"),
    "devices": ("--device {}",),
    "encoder-name": _ENCODER,
    "encoder-weights": (_WEIGHTS,),
    "epochs": _EPOCHS,
    "exist-ok": ("--overwrite",),
    "f": ("--fold {}",),
    "fold": ("--fold {}",),
    "force": ("--overwrite",),
    "format": ("--to {}", "--write {}"),
    "freeze": ("--set optim.freeze_epochs={}",),
    "gpus": ("--device cuda",),
    "gt": ("TRUTH",),
    "i": ("INPUTS", "MAPS", "DATA"),
    "image-size": _CROP,
    "images": ("INPUTS",),
    "img-size": _CROP,
    "imgsz": _CROP,
    "in-channels": ("--set input.channels={}",),
    "input": ("INPUTS", "MAPS", "DATA"),
    "input-dir": ("INPUTS", "MAPS", "DATA"),
    "learning-rate": ("--set optim.lr={}",),
    "load-from": (_INIT,),
    "loss": ("--set loss.sum={}",),
    "lr": ("--set optim.lr={}",),
    "lr0": ("--set optim.lr={}",),
    "m": ("MODEL", *_ARCH),
    "max-epochs": _EPOCHS,
    "model": ("MODEL", *_ARCH),
    "name": (_OUT,),
    "num-epochs": _EPOCHS,
    "num-workers": ("--set data.workers={}",),
    "o": (_OUT,),
    "output": (_OUT, "DST"),
    "output-dir": (_OUT, "DST"),
    "patience": ("--set schedule.patience={}",),
    "pred": ("PREDICTIONS",),
    "predictions": ("PREDICTIONS",),
    "pretrained": (_INIT,),
    "pretrained-weights": (_INIT,),
    "project": (_OUT,),
    "n-splits": ("--folds {}",),
    "random-state": ("--seed {}", "--set seed={}"),
    "save-dir": (_OUT,),
    "seed": ("--seed {}", "--set seed={}"),
    "size": _CROP,
    "source": ("INPUTS", "SRC", "DATA"),
    "split": ("--split {}",),
    "target": ("--to {}",),
    "test-size": ("--test {}",),
    "time": ("--budget {}h",),
    "val-size": ("--val {}",),
    "weight-decay": ("--set optim.weight_decay={}",),
    "weights": ("MODEL", _INIT),
    "workers": ("--set data.workers={}",),
}
"""Options of other tools, without dashes, with the templates of what they are here."""


def is_option(name: str) -> bool:
    """Whether another tool has an option of this name."""
    return _plain(name) in OPTIONS


def translate(name: str, value: str, known: Collection[str]) -> str | None:
    """Give what `--name value` of another tool is here; None where the verb has no such thing.

    Args:
        name: As typed, with or without dashes.
        value: As typed; "" where there is none.
        known: Options with their dashes, and arguments in capitals, of the verb.
    """
    for template in OPTIONS.get(_plain(name), ()):
        if template.partition(" ")[0] in known:
            return template.format(value or "VALUE")
    return None


def _plain(name: str) -> str:
    return name.lstrip("-").replace("_", "-").lower()
