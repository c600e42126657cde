"""The results of measure: typed documents, tables, pictures, page and text."""
