"""Quality: consensus of annotators, and how far they agree. It knows class maps, no files."""
