"""Engines: one file each.

To add one, write `inference/engines/<name>.py` with the names of
`inference.engine.EnginePart`. Change nothing else: `open_model` finds the file, and
`tests/contracts/test_engines.py` checks the contract.
"""
