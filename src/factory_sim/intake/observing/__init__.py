"""Observe a feed without a mapping, and write a first feed file for it."""
