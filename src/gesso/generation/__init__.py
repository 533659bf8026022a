"""A Request becomes a Plan, the Plan becomes pictures."""
