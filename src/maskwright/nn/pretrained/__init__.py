"""Checkpoints that others published: their files, their licence, the layout of their keys."""
