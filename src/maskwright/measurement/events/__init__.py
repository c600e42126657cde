"""Events of streams: rules that are broken, regions that differ for a time."""
