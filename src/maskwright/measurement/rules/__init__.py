"""Limits set by the user, and the verdict on each."""
