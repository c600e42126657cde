"""Engines: one file each.

To add one, write `inference/engines/<name>.py` with

* `FILE: str`, the name of the file in a model folder that the engine runs;
* `build(folder: Path, card: ModelCard) -> Engine`, which raises BundleError where the file is
  not the network that the card describes.

Change nothing else: `tests/contracts/test_engines.py` finds the file and checks the contract.
"""
