"""The innermost loops, one file each: `numpy` always, `numba` with the extra `fast`.

Each file offers the functions of `kernel.Kernel`, with the same exact results.
"""
