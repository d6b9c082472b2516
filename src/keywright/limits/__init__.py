"""Limits: how much a key may do, and the limiters that decide it."""
