"""Read the files of annotation tools: JSON, XML, archives, PNG masks, lists of names."""
