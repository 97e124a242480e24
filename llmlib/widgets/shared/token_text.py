"""Write tokens and probabilities in readable form, as `tokenLabel` and other functions in shared.mjs do."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from llmlib.widgets.shared.base import escape_xml

# Backgrounds of neighbouring tokens in pictures, from the light theme of shared.css; colour-blind people can tell them
# apart.
HUES = ("#cfe3f7", "#fbe0ae", "#c9ecd9", "#f7d0e2", "#e0d9f6", "#eceab0")
CELL = 8.6  # width in pixels of one monospaced character at 14 px


SEEN = {" ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥"}
BYTES = re.compile(r"(⟨[0-9A-F]{2}(?: [0-9A-F]{2})*⟩)")


def token_text(data: bytes) -> str:
    """Write a token as text; the bytes of a character that is split between tokens take the form ⟨F0 9F⟩.

    >>> token_text(b" Paris"), token_text(b"o\\xf0\\x9f")
    (' Paris', 'o⟨F0 9F⟩')
    """
    return "".join(f"⟨{hexadecimal(part)}⟩" if isinstance(part, bytes) else part for part in _characters(data))


def joined_text(tokens: Iterable[str]) -> str:
    """Join tokens into a text, and restore the characters that were split between tokens.

    >>> joined_text(["a", " ⟨F0 9F⟩", "⟨99 82⟩"])
    'a 🙂'
    """
    whole = lambda found: bytes.fromhex(re.sub("[⟨⟩]", " ", found[0])).decode(errors="replace")  # noqa: E731
    return re.sub(f"{BYTES.pattern}+", whole, "".join(tokens))


def visible_token(text: str) -> str:
    """Make white space and invisible characters in a token visible, as `visibleToken` in shared.mjs does.

    Bytes that `token_text` wrote as ⟨F0 9F⟩ stay as they are.

    >>> visible_token(" Paris\\n"), visible_token("a\\u200d"), visible_token("⟨F0 9F⟩")
    ('·Paris⏎', 'a⟨U+200D⟩', '⟨F0 9F⟩')
    """
    parts = BYTES.split(text)  # every second part holds bytes
    label = "".join(part if at % 2 else "".join(map(_with_ink, part)) for at, part in enumerate(parts)) or "∅"
    return "◌" + label if unicodedata.category(label[0]).startswith("M") else label  # a combining mark needs a base


def percent(p: float) -> str:
    """Write a probability as a rounded percentage, as `percent` in shared.mjs does.

    >>> percent(0.5), percent(0.0312), percent(0.0004)
    ('50%', '3.1%', '<0.1%')
    """
    if p >= 0.0995:
        return f"{100 * p:.0f}%"
    if p >= 0.001:
        return f"{100 * p:.1f}%"
    return "<0.1%" if p > 0 else "0%"


def hexadecimal(data: bytes) -> str:
    """Write bytes as hexadecimal numbers.

    >>> hexadecimal(b" <")
    '20 3C'
    """
    return data.hex(" ").upper()


def token_label(data: bytes) -> str:
    """Write a token with visible white space, codes for invisible characters, and ⟨F0 9F⟩ for split characters' bytes.

    >>> token_label(b" Paris"), token_label("🙂".encode()[:2]), token_label("\\N{ZERO WIDTH JOINER}".encode())
    ('·Paris', '⟨F0 9F⟩', '⟨U+200D⟩')
    """
    return visible_token(token_text(data))


def _characters(data: bytes) -> Iterator[str | bytes]:
    """Split bytes into whole characters and the bytes between them."""
    loose, i = bytearray(), 0
    while i < len(data):
        length = _length_of_character(data[i])
        try:
            text = data[i : i + length].decode()
        except UnicodeDecodeError:
            loose.append(data[i])
            i += 1
            continue
        if loose:
            yield bytes(loose)
            loose.clear()
        yield text
        i += length
    if loose:
        yield bytes(loose)


def _length_of_character(lead: int) -> int:
    """Return how many bytes a UTF-8 character has if it begins with the byte `lead`."""
    return 1 if lead < 0x80 else 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2


def _with_ink(character: str) -> str:
    if character in SEEN:
        return SEEN[character]
    inkless = unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") or "\ufe00" <= character <= "\ufe0f"
    return f"⟨U+{ord(character):04X}⟩" if inkless else character


def width_of(label: str) -> float:
    """Estimate a label's width in pixels.

    >>> width_of("ab") < width_of("漢字")
    True
    """
    cells = sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in label)
    return CELL * cells


def boxes(labels: list[str], fills: list[str], left: int, top: float, right: int, row: int = 30) -> tuple[str, float]:
    """Draw labels as coloured boxes in rows from `left` to `right`.

    Return the SVG, and the y coordinate just below the boxes.
    """
    parts: list[str] = []
    x, y = float(left), top
    for label, fill in zip(labels, fills):
        width = width_of(label) + 8
        if x > left and x + width > right:
            x, y = left, y + row
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="24" rx="4" fill="{fill}" stroke="#b8bec6"/>'
            f'<text x="{x + width / 2:.1f}" y="{y + 17:.1f}" text-anchor="middle" font-family="monospace">'
            f"{escape_xml(label)}</text>"
        )
        x += width + 3
    return "".join(parts), y + row


def picture(body: str, width: int, height: float) -> str:
    """Return a complete SVG picture that shows `body` on a white background."""
    style = 'font-size="14" font-family="sans-serif" fill="#1f2328"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" {style}>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{body}</svg>'
    )
