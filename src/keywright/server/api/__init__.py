"""The management API: keys, account, usage."""
