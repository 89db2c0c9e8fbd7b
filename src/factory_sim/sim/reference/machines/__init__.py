"""A machine of the reference model, one idea a file."""
