"""Proofs: theory, engine equality, coverage of intervals, detector accuracy, feed endurance, calibration."""
