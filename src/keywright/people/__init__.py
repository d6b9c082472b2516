"""People: who may sign in, what they are in an account, and their sessions."""
