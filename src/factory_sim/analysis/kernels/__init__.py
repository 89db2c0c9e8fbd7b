"""The loops over rows and readings, compiled: the room's only door to Numba.

Plain arrays in, results into the last arguments; shapes and checks live in the callers. Each kernel has a slow,
obviously right twin in `tests/naive.py`. Rows stand in causal order unless said otherwise.
"""
