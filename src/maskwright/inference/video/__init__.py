"""Video and streams: frames in, labelled video and tables out."""
