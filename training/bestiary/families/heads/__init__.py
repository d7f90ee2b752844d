"""Heads of animals and people, in varied poses."""
