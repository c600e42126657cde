"""The studio: label images in the browser, one process on the own machine."""
