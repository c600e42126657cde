"""Watch what models see: one row per image, windows, drift, alarms, and their dashboard."""
