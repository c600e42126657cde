"""Semantic segmentation in production: one call a stage, the same names as the command line."""
