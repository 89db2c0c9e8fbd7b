"""What it means: readings -> event log -> KPIs. Knows nothing but `records` and the names of `plant.states`."""
