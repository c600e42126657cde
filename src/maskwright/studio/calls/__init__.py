"""The calls of the studio over HTTP, in groups; each group has its table of routes."""
