"""Measure class maps in real units, and judge the figures by limits."""
