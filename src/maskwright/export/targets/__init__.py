"""Export targets: one file each.

To add one, write `export/targets/<name>.py` with

* `FILE: str`, the name of the file in a Bundle;
* `ENGINE: str`, the part of `inference.engines` that runs it;
* `write(network: nn.Module, card: ModelCard, path: Path) -> None`, which raises ConfigError
  where the network cannot be expressed.

Change nothing else: `tests/contracts/test_targets.py` finds the file and checks the contract.
"""
