"""A plant is simulated, sensed, put on the wire, analysed and viewed."""
