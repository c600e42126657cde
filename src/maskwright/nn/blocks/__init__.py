"""Modules and functions that several architectures or losses share."""
