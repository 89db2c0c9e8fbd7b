"""Sweeps: a plant over a grid or a sampled design, and the sensitivity of its responses."""
