"""Classes of a dataset: dataset.yaml, class lists, mappings, and how classes are inferred."""
