"""The neural networks; attribute names are the checkpoint file's names."""
