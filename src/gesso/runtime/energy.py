"""Energy that the processors took, where the system lets it be read."""

from pathlib import Path

__all__ = ["joules"]

ZONES = Path("/sys/class/powercap")


def joules() -> float | None:
    """What all processors' packages took since some moment in the past; None where that cannot be read.

    The counters start again at 0 every few hours of full load; a difference below 0 is to be thrown away.

    Source: kernel.org, "Power Capping Framework": intel-rapl:N is a package, energy_uj its counter.
    """
    counters = [path / "energy_uj" for path in ZONES.glob("intel-rapl:*") if path.name.count(":") == 1]
    try:
        return sum(int(path.read_text()) for path in counters) / 1e6 if counters else None
    except (OSError, ValueError):
        return None
