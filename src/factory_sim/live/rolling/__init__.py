"""Rolling windows of a running feed, in bounded memory."""
