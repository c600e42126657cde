"""The innermost loops of counting, once a file: `numpy` always there, `numba` an extra.

Each file offers the same functions with the same exact results; `core/kernel.py` takes the
fastest that is installed.
"""
