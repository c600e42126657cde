"""The command line: one module a group of verbs, argument parsing only.

A verbs module offers `register(app: typer.Typer) -> None`, which adds its commands. It is
imported for every `--help`, so whatever is heavy is imported inside the command functions.
"""
