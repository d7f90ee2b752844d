"""Leaves, fronds, what grows in a forest, and feathers."""
