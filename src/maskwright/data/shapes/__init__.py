"""Shapes of annotation tools: how they overlap, how they are filled, run lengths of masks."""
