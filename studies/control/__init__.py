"""A small ControlNet and a style LoRA for the built-in checkpoint."""
