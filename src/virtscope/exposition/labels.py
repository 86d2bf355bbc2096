"""Foreign strings as label values: bounded, visible, and still different where they were."""

from __future__ import annotations

from hashlib import blake2b

LONGEST = 256
_MARK_BYTES = 8


def visible(text: str) -> str:
    """The text with everything escaped that does not print (controls, bidi marks, surrogates), cut where it is long.

    What is cut ends in a hash of the whole, so that two long names stay two.
    """
    shown = text if text.isprintable() else "".join(map(_shown, text))
    if len(shown) <= LONGEST:
        return shown
    mark = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_MARK_BYTES).hexdigest()
    return f"{shown[: LONGEST - 1 - len(mark)]}~{mark}"


def labels(**values: str | int | None) -> str:
    """Labels as they stand in a series: ``domain="web",host="kvm1"``. Names are ours, values may be anybody's."""
    return ",".join(
        f'{name}="{_escaped(visible(str(value)) if value is not None else "")}"' for name, value in values.items()
    )


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
