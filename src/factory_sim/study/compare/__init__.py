"""Paired comparisons of plants: changes with intervals, attribution and constraints."""
