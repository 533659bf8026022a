"""Pictures and their captions on the way to the loss: gathered, checked, cut to size, kept as latents."""
