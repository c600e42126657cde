"""Export targets: one file each.

To add one, write `export/targets/<name>.py` with the names of `export.target.Target`. Change
nothing else: `maskwright export --to <name>` finds the file, and
`tests/contracts/test_targets.py` checks the contract.
"""
