"""Recordings: the readings of a feed on disk, written while it runs and queried afterwards."""
