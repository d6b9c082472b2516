"""Measurements. Each prints what it measured beside its goal; none of them is a test."""
