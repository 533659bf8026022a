"""Where gesso keeps what it worked out and can work out again."""

import os
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """The user's cache folder for gesso; it may not be there yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gesso"
