"""Looking after the databases of a data directory: backing them up, putting a backup back, checking either."""
