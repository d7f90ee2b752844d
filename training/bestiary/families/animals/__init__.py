"""Whole animals."""
