"""What a measurement writes: tables, pictures, page and JSON."""
