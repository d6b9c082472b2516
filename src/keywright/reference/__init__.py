"""The two resource APIs that keys are for: subscriptions and trigger campaigns. Built as any application outside would
be: on the public names of `keywright` and its adapters, with a database of their own."""
