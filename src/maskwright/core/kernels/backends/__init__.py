"""The innermost loops, one file each: `numpy` always there, `numba` an extra.

Each file offers the functions of `kernel.Kernel`, with the same exact results.
"""
