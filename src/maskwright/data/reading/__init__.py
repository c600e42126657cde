"""Read the files of annotation tools: JSON, XML, archives, PNG masks, tables of names."""
