"""Optimisation: the best choice within limits and a budget, selected with a guarantee."""
