"""Offline studies: many runs of several plants on common random numbers, written trial by trial, and their results."""
