"""Frozen records of every answer that the library gives; no behaviour beyond `to_dict()`."""
