"""Keywright inside someone's application: thin adapters over one shared core (credentials, answers, strict JSON)."""
