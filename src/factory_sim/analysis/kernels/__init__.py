"""The compiled loops over rows and readings.

Kernels take plain arrays and write their results into the last arguments; callers check shapes. Each kernel has a naive
twin in `tests/naive.py`. Rows are in causal order unless stated otherwise.
"""
