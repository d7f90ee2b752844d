"""Wheels, buildings, vehicles and vessels."""
