"""The reference model: the line as SimPy processes, written to be read and extended."""
