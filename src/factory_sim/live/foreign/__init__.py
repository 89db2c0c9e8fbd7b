"""Feeds of any plant, live and from files: `intake` decodes and maps, `analysis` concludes."""
