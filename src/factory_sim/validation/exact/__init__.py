"""Theory against the engine: rows of known exact values, each simulated until its interval is narrow (hallway)."""
