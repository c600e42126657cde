"""Control charts: whether a measured figure of a line, a lot or a camera stays as it was."""
