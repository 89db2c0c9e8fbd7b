"""How the line MOVES: plant -> EventLog. The only room that knows SimPy."""
