"""Limits set by the user, and the verdicts on images."""
