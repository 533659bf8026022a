"""Many asks, worked off one after another by supervised processes, and never lost."""
