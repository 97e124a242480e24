"""Draw the static picture of a conversation, for environments where widgets cannot run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from llmlib.widgets.chat.turns import Turn, name_of, turns_of
from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT, INK
from llmlib.widgets.shared.token_text import picture, width_of

WIDTH, EDGE, GAP, LINE, PAD = 760, 12, 10, 19, 9
MOST_LINES, LAST_LINES, MOST_TURNS = 18, 6, 8
Number = float | int
OURS, THEIRS, WARM = "#cfe3f7", "#f3f4f6", "#9a4f00"


@runtime_checkable
class Chat(Protocol):
    """The parts of `ChatView` that this module draws."""

    messages: list[dict[str, Any]]
    names: list[str]
    system: str

    def note(self, message: int | None) -> Mapping[str, Any]: ...


def draw(view: Chat) -> str:
    """Draw the most recent turns, with answers side by side."""
    turns = turns_of(view.messages)
    parts, y = [], 8.0
    if view.system.strip():
        source, y = _bubble("System prompt", view.system, EDGE, WIDTH - 2 * EDGE, y, "#ffffff")
        parts.append(source)
    if len(turns) > MOST_TURNS:
        parts.append(_words(EDGE, y + 14, f"… {len(turns) - MOST_TURNS} earlier turns", FAINT, 12))
        y += 22
    for turn in turns[-MOST_TURNS:]:
        source, y = _turn(view, turn, y)
        parts.append(source)
    if not turns:
        parts.append(_words(EDGE, y + 18, "(no messages yet)", FAINT))
        y += 26
    return picture("".join(parts), WIDTH, float(y + 4))


def _turn(view: Chat, turn: Turn, y: Number) -> tuple[str, Number]:
    parts, note = [], view.note(turn.question)
    if turn.question is not None:
        text, width = view.messages[turn.question]["content"], 0.7 * WIDTH
        width = min(width, max(_width(line) for line in text.split("\n")) + 2 * PAD + 4)
        source, y = _bubble("You", text, WIDTH - EDGE - max(width, 60), max(width, 60), y, OURS)
        parts.append(source)
    sides = turn.sides(view.messages, note)
    column = (WIDTH - 2 * EDGE - GAP * (len(sides) - 1)) / max(1, len(sides)) if len(sides) > 1 else 0.85 * WIDTH
    bottom = y
    for k, number in enumerate(sides):
        message, about = view.messages[number], view.note(number)
        name = name_of(message.get("speaker"), view.names, note)
        if note.get("vote") == message.get("speaker", "nobody"):
            name += " (your choice)"
        text, ink = (message["content"], INK) if message["content"] else (about.get("problem", "…"), WARM)
        source, end = _bubble(name, text, EDGE + k * (column + GAP), column, y, THEIRS, ink)
        parts.append(source)
        bottom = max(bottom, end)
    return "".join(parts), bottom


def _bubble(who: str, text: str, x: Number, width: Number, y: Number, fill: str, ink: str = INK) -> tuple[str, Number]:
    """Draw a message with its speaker's name; also return the y coordinate below the message."""
    lines = wrapped(text, width - 2 * PAD)
    height = LINE * len(lines) + 2 * PAD - 4
    stroke = ' stroke="#b8bec6"' if fill == "#ffffff" else ""
    parts = [
        _words(x, y + 12, who, FAINT, 12),
        f'<rect x="{x:.1f}" y="{y + 18:.1f}" width="{width:.1f}" height="{height}" rx="8" fill="{fill}"{stroke}/>',
        *(_words(x + PAD, y + 18 + PAD + 9 + LINE * k, line, ink) for k, line in enumerate(lines)),
    ]
    return "".join(parts), y + 18 + height + GAP


def wrapped(text: str, width: Number) -> list[str]:
    """Break a text into lines no wider than about `width` pixels, and leave out the middle of a long text.

    The end of the text is kept, since it is often a question.

    >>> wrapped("one two three", 60)
    ['one two', 'three']
    """
    lines: list[str] = []
    room = math.ceil(MOST_LINES * width)  # more characters never fit, so a whole book need not be split
    if len(text) > 2 * room:
        text = f"{text[:room]}\n{text[-room:]}"
    for paragraph in text.split("\n"):
        line = ""
        for word in _pieces(paragraph, width):
            if line and _width(line + word) > width:
                lines.append(line.rstrip())
                line = word.lstrip()
            else:
                line += word
        lines.append(line)
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - LAST_LINES - 1], "…", *lines[-LAST_LINES:]]


def _pieces(text: str, width: Number) -> Sequence[str]:
    """Split a text into words, and split words that are longer than a line into parts."""
    most = max(1, math.floor(width / 16))
    pieces = []
    for k, word in enumerate(text.split(" ")):
        spaced = word if k == 0 else f" {word}"
        pieces += [spaced] if _width(spaced) <= width else [spaced[i : i + most] for i in range(0, len(spaced), most)]
    return pieces


def _width(text: str) -> Number:
    return 0.84 * width_of(text)  # this font is narrower than the one that `width_of` assumes


def _words(x: Number, y: Number, words: str, fill: str = INK, size: int = 14) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}">{escape_xml(words)}</text>'
