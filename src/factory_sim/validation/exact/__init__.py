"""The engine against theory: rows of exact values, each simulated until its interval is precise."""
