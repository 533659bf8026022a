"""The options that say what follows on a picture, shared by every command that paints."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from gesso.errors import RequestError
from gesso.request import FollowUp, Mask, PortablePath, Source, Upscaler

__all__ = ["Following", "Hires"]


def _read_hires(value: object) -> object:
    """Accept "2x" and "1.5" for a factor, "1024x1536" for a size."""
    if not isinstance(value, str):
        return value
    factor, times, rest = value.lower().replace("×", "x").partition("x")
    return {"size": value} if times and rest else {"by": factor}


class Hires(BaseModel):
    """How large a picture becomes."""

    by: float | None = Field(default=None, gt=0.0, le=16.0)
    size: str | None = None


class Following(BaseModel):
    """What is done to each picture once it is painted: hires, then loopback, then details, then --then."""

    hires: Annotated[Hires | None, BeforeValidator(_read_hires)] = None
    """Paint it again larger: so many times (2x), or at a size (1024x1536)."""
    hires_strength: float | None = Field(default=None, ge=0.0, le=1.0)
    """How much is painted anew when larger; 0.5 unless given."""
    hires_upscaler: Upscaler | None = None
    """What enlarges it: lanczos, bicubic, nearest, latent, latent-bicubic, latent-nearest, or a file."""
    hires_steps: int | None = Field(default=None, ge=1, le=1000)
    """Planned steps when larger, of which the strength's share runs; as before unless given."""
    hires_prompt: str | None = None
    """What to paint when larger."""
    hires_negative: str | None = None
    """What to keep away from when larger."""
    hires_sampler: str | None = None
    """How the noise is removed when larger."""
    hires_schedule: str | None = None
    """Which noise levels are visited when larger."""
    hires_cfg: float | None = Field(default=None, ge=0.0, le=100.0)
    """Classifier-free guidance scale when larger."""
    hires_model: PortablePath | None = None
    """Another checkpoint file that paints it larger."""
    loopback: int = Field(default=0, ge=0, le=100)
    """Paint each picture over so many times, each time on what came before."""
    loopback_strength: tuple[float, ...] = (0.5,)
    """How much is painted anew each time: one share, or the first and the last, such as 0.6,0.3."""
    detail: tuple[Mask, ...] = ()
    """Parts to paint again at the model's own size, each a mask's file or WIDTHxHEIGHT+LEFT+TOP."""
    detail_prompt: str | None = None
    """What to paint there."""
    detail_strength: float = Field(default=0.4, gt=0.0, le=1.0)
    """How much is painted anew there."""
    detail_padding: int = Field(default=32, ge=0, le=4096)
    """Pixels around it that are shown beside it."""

    def follow_ups(self) -> tuple[FollowUp, ...]:
        """All of it, in order.

        Raises:
            RequestError: an option says how to do what is not asked for.
        """
        return (*self._hires(), *self._loopback(), *self._details())

    def _hires(self) -> tuple[FollowUp, ...]:
        prefix = "hires_"
        told = {name: getattr(self, name) for name in Following.model_fields if name.startswith(prefix)}
        given = {name.removeprefix(prefix): value for name, value in told.items() if value is not None}
        if self.hires is None:
            if given:
                flag = next(iter(given))
                raise RequestError(f"--hires-{flag} must come with --hires, however: it was given alone")
            return ()
        return (FollowUp.model_validate(self.hires.model_dump(exclude_none=True) | given),)

    def _loopback(self) -> tuple[FollowUp, ...]:
        first, last = self.loopback_strength[0], self.loopback_strength[-1]
        if len(self.loopback_strength) > 2 or not all(0.0 < each <= 1.0 for each in (first, last)):
            raise RequestError(
                "--loopback-strength must be one share or two above 0 and up to 1, however: "
                f"{', '.join(map(str, self.loopback_strength))}"
            )
        gap = (last - first) / max(1, self.loopback - 1)
        shares = (round(first + gap * turn, 6) for turn in range(self.loopback))
        return tuple(FollowUp(source=Source(strength=each)) for each in shares)

    def _details(self) -> tuple[FollowUp, ...]:
        return tuple(
            FollowUp(
                source=Source(
                    mask=each, strength=self.detail_strength, only_masked=True, padding=self.detail_padding
                ),
                prompt=self.detail_prompt,
            )
            for each in self.detail
        )
