"""The innermost loops, once a file: `numpy` always there, `numba` an extra.

Each file offers the functions that `core/kernel.py` describes in its `Kernel`, with the same
exact results; `kernel()` there takes the fastest that is installed.
"""
