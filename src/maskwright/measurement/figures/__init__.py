"""Figures of one class map: areas, regions, gaps, lengths and widths, change."""
