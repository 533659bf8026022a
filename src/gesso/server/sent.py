"""Pictures that are sent: looked at before they are decoded, and kept by the hash of their pixels' file."""

import base64
import binascii
import hashlib
import io
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from gesso.server.refusals import Refused
from gesso.workers.places import UPLOADS, Places

__all__ = ["Sent", "from_base64"]

FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True)
class Sent:
    """Takes pictures in.

    Args:
        pixels: the most that one may have.
    """

    places: Places
    pixels: int

    def keep(self, packed: bytes) -> Path:
        """Keep a picture file's pixels, upright; what else it carried is dropped.

        Returns:
            The name by which a request names it.

        Raises:
            Refused: it is no picture, or has too many pixels.
        """
        return self.keep_image(self.opened(packed))

    def opened(self, packed: bytes) -> Image.Image:
        """A picture file's picture, decoded only if it is small enough.

        Raises:
            Refused: it is no picture, or has too many pixels.
        """
        try:
            with warnings.catch_warnings():
                # Pillow only warns of the smaller bombs; the size is checked here
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(packed), formats=FORMATS)
            if image.width * image.height > self.pixels:
                found = f"{image.width}x{image.height}"
                raise Refused(
                    413,
                    f"a picture must have at most {self.pixels} pixels, however: {found}",
                    "picture_too_large",
                )
            image.load()
            upright = ImageOps.exif_transpose(image)
        except (
            OSError,
            UnidentifiedImageError,
            SyntaxError,
            ValueError,
            Image.DecompressionBombError,
        ) as error:
            raise Refused(
                400, "a picture must be a PNG, JPEG or WebP file, however: it is not", "bad_picture"
            ) from error
        kind = "RGBA" if upright.has_transparency_data else "RGB"
        return upright if upright.mode in {kind, "L"} else upright.convert(kind)

    def keep_image(self, image: Image.Image) -> Path:
        """Keep a picture; returns the name by which a request names it."""
        out = io.BytesIO()
        image.info.clear()
        image.save(out, "PNG")
        name = f"{hashlib.sha256(out.getvalue()).hexdigest()}.png"
        path = self.places.uploads / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.touch()
        else:
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as part:
                part.write(out.getvalue())
            Path(part.name).replace(path)
        return Path(UPLOADS) / name


def from_base64(text: str) -> bytes:
    """The bytes behind base64 text, or a data: address of it. Other addresses are never fetched.

    Raises:
        Refused: it is neither.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise Refused(
            400,
            "a picture must be base64 text, however: it is not (addresses are not fetched)",
            "bad_picture",
        ) from error
