"""The live page of a feed, and what it offers."""
