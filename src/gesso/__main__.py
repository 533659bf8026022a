"""`python -m gesso` is `gesso`."""

from gesso.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
