"""Read image and mask files: pixels, sizes, pages and spacing."""
