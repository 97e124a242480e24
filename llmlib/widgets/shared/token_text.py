"""How tokens and probabilities are written for people; the counterpart of `tokenLabel` and others in shared.mjs."""

import unicodedata

from llmlib.widgets.shared.base import escape_xml

# Backgrounds of neighbouring tokens, in pictures (light theme of shared.css); colour-blind people can tell them apart.
HUES = ("#cfe3f7", "#fbe0ae", "#c9ecd9", "#f7d0e2", "#e0d9f6", "#eceab0")
CELL = 8.6  # width in pixels of one monospaced character at 14 px


def visible_token(text: str) -> str:
    """A token with its white space made visible, as in `visibleToken` of shared.mjs.

    >>> visible_token(" Paris\\n")
    '·Paris⏎'
    """
    shown = text.replace(" ", "·").replace("\n", "⏎").replace("\r", "␍").replace("\t", "⇥")
    return shown or "∅"


def percent(p: float) -> str:
    """A probability for people, as in `percent` of shared.mjs.

    >>> percent(0.5), percent(0.0312), percent(0.0004)
    ('50%', '3.1%', '<0.1%')
    """
    if p >= 0.0995:
        return f"{100 * p:.0f}%"
    if p >= 0.001:
        return f"{100 * p:.1f}%"
    return "<0.1%" if p > 0 else "0%"


def hexadecimal(data: bytes) -> str:
    """Bytes for people.

    >>> hexadecimal(b" <")
    '20 3C'
    """
    return data.hex(" ").upper()


def token_label(data: bytes) -> str:
    """A token in writing: white space visible, signs without ink named, bytes of a divided character as ⟨F0 9F⟩.

    >>> token_label(b" Paris"), token_label("🙂".encode()[:2]), token_label("\\N{ZERO WIDTH JOINER}".encode())
    ('·Paris', '⟨F0 9F⟩', '⟨U+200D⟩')
    """
    written: list[str] = []
    loose = bytearray()

    def close() -> None:
        if loose:
            written.append(f"⟨{hexadecimal(bytes(loose))}⟩")
            loose.clear()

    i = 0
    while i < len(data):
        length = _length_of_character(data[i])
        try:
            text = data[i : i + length].decode()
        except UnicodeDecodeError:
            loose.append(data[i])
            i += 1
            continue
        close()
        written.append(_with_ink(text))
        i += length
    close()
    label = "".join(written) or "∅"
    return "◌" + label if unicodedata.category(label[0]).startswith("M") else label  # a mark needs a base


def _length_of_character(lead: int) -> int:
    """How many bytes a UTF-8 character has that begins with this one."""
    return 1 if lead < 0x80 else 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2


def _with_ink(character: str) -> str:
    seen = visible_token(character)
    inkless = unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") or "\ufe00" <= character <= "\ufe0f"
    return f"⟨U+{ord(character):04X}⟩" if seen == character and inkless else seen


def width_of(label: str) -> float:
    """About how many pixels a label takes in a picture.

    >>> width_of("ab") < width_of("漢字")
    True
    """
    cells = sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in label)
    return CELL * cells


def boxes(labels: list[str], fills: list[str], left: int, top: float, right: int, row: int = 30) -> tuple[str, float]:
    """Labels as a flow of coloured boxes between `left` and `right`: SVG source, and the y below the last row."""
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
    """A whole SVG picture on white."""
    style = 'font-size="14" font-family="sans-serif" fill="#1f2328"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" {style}>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{body}</svg>'
    )
