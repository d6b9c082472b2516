"""The server: the HTTP edge, the management API, and what else is mounted beside it."""
