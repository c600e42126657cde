"""Import ONNX files of others: find their layout, rewrite them to our contract, compare."""
