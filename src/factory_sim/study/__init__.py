"""Offline: many runs of several plants on common random numbers, kept trial by trial, and what they say."""
