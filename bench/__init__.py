"""Measurements, each one command: ./dev bench NAME."""
