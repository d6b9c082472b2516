"""The gate: other programs ask "may this request pass?", over the verify endpoint or as a proxy's forward-auth."""
