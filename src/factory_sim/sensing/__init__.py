"""Sensors of a line: event rows become readings."""
