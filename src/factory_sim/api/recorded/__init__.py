"""Recordings for users: questions, and playing one again."""
