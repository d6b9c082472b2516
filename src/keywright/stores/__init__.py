"""Where records live. `base` is the promise; `sql` the statements; `sqlite` the engine of one machine."""
