"""What is put on a model and comes off again without a trace."""
