"""Jobs of a server: what is too large for one request, each in a process of its own."""
