"""Frozen records of every answer, one module per question; `to_dict()` returns the content of `--json`."""
