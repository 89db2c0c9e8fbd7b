"""Feeds of any plant: read files, listen, observe, by a mapping file."""
