"""Predictions against truth at source resolution -> report.json and report.html; no torch."""
