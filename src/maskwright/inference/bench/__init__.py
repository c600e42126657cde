"""Measure the engines of a model side by side: time, memory, and the machine's facts."""
