"""Pixels, in memory and larger than it."""
