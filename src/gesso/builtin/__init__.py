"""The files that come with gesso: a checkpoint, and what was made for it."""

from pathlib import Path

__all__ = ["checkpoint", "folder"]


def folder() -> Path:
    """Where they are: checkpoints by themselves, others in folders of their kind."""
    return Path(__file__).parent


def checkpoint() -> Path:
    """The checkpoint that paints where none is named."""
    return folder() / "emoji.safetensors"
