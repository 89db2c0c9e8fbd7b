"""Analysis of readings: event log and KPIs, from `records` and the names in `plant.states` alone."""
