"""Size and position of a pixel on the ground, and regions of interest."""
