"""Options of augmentation that tests share."""

COLOURLESS = dict.fromkeys(
    ("brightness", "contrast", "saturation", "hue", "blur", "noise", "jpeg"), 0.0
)
"""Nothing changes but the geometry."""

STILL = COLOURLESS | {"scale": (1.0, 1.0), "flip_lr": 0.0, "rotate_deg": 0.0}
"""Nothing changes at all."""
