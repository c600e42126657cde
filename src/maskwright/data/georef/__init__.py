"""Read where an image lies on the ground: GeoTIFF tags and world files."""
