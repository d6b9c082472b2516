"""One small application for each framework, all with the same paths, behind the adapter of that framework."""
