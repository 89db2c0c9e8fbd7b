"""Endurance proofs of the feed with real processes: soak, fuzz, killed brokers and publishers, a stopped consumer."""
