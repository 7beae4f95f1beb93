"""Media types: which of those that an endpoint offers a caller wants."""

from collections.abc import Sequence

JSON = "application/json"


def chosen(accept: str, offered: Sequence[str]) -> str:
    """The one of `offered` that the Accept header likes best; the first of them where it likes none."""
    ranges = dict(filter(None, map(_range, accept.split(","))))
    liked = {media: _quality(ranges, media) for media in offered}
    return max(offered, key=lambda media: liked[media])


def _range(part: str) -> tuple[str, float] | None:
    """A media range and its quality; None where it cannot be read."""
    name, *parameters = (each.strip().lower() for each in part.split(";"))
    quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return (name, float(quality)) if name else None
    except ValueError:
        return None


def _quality(ranges: dict[str, float], media: str) -> float:
    """That of the narrowest range that the type is in."""
    around = (media, f"{media.partition('/')[0]}/*", "*/*")
    return next((ranges[each] for each in around if each in ranges), 0.0)
