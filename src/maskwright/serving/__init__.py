"""Serve models over HTTP: one front process, and a child process for each model."""
