"""Where tensors live and how fast they go."""
