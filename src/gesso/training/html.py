"""Pages in one file that need nothing else: their frame, and pictures within them."""

import base64
import html
import io

from PIL import Image

__all__ = ["page", "picture"]

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
.bad { color: #a00 } .faint { color: #777 } img { display: block; max-width: 100% }
.strip { display: flex; flex-wrap: wrap; gap: .4rem } figure { margin: 0 } figcaption { font-size: 12px }
svg { max-width: 100%; height: auto } pre { background: #f6f6f6; padding: 1rem; overflow: auto }
@media (prefers-color-scheme: dark) { body { background: #151515; color: #ddd } pre { background: #222 }
  th, td { border-color: #333 } .bad { color: #f88 } }
""".strip()


def page(title: str, body: str) -> str:
    """A whole page.

    Args:
        title: plain text.
        body: HTML.
    """
    name = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<style>\n{STYLE}\n</style>\n<h1>{name}</h1>\n{body}\n</html>\n"
    )


def picture(image: Image.Image, side: int, told: str) -> str:
    """A picture within a page, no larger than a side.

    Args:
        told: said of it, plain text.
    """
    small = image.convert("RGB")
    small.thumbnail((side, side))
    packed = io.BytesIO()
    small.save(packed, "JPEG", quality=85)
    data = base64.b64encode(packed.getvalue()).decode("ascii")
    return (
        f'<img width="{small.width}" height="{small.height}" alt="{html.escape(told, quote=True)}" '
        f'src="data:image/jpeg;base64,{data}">'
    )
