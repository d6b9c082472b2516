"""Management: create, rotate, change, delete, list. One method per act, one transaction each."""
