"""Files of named tensors; knows nothing of what they mean."""
