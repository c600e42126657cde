"""The open inference protocol, version 2, as clients of KServe and Triton speak it."""
