"""Draw the static picture of a sampling view, for environments where widgets cannot run."""

import math
from typing import Any, Protocol, runtime_checkable

from llmlib.widgets.sampling.branches import PROMPT, Branches
from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.still import FAINT, INK, blend, ink_on
from llmlib.widgets.shared.token_text import joined_text, percent, picture, visible_token, width_of

EXPLAINED = "The model predicts probabilities; settings change them; chance picks a token."
SURPRISE = ("#ffffff", "#fbe3c6", "#e39b4b", "#9a4f00", "#4a2600")  # colours for probabilities from 1 down to 1/1000
MOST_SURPRISE = math.log(1000)
WIDTH, ROW, BARS, LEFT, RIGHT = 760, 26, 118, 176, 640
BEFORE, AFTER, LINE, WARM = "#8b949e", "#0b5cad", "#d8dde3", "#9a4f00"
SCALES = (0.04, 0.08, 0.2, 0.4, 0.8, 1.0)
MOST_BRANCHES, MOST_TOKENS = 8, 40
Number = float | int


@runtime_checkable
class Lab(Protocol):
    """The parts of `SamplingView` that this module draws."""

    prompt: str
    problem: str
    tree: bytes
    at: int
    tokens: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    settings: dict[str, Any]

    def word(self, id: int) -> str: ...


def draw(view: Lab) -> str:
    """Draw the text, its next token before and after the settings, and the branches."""
    used = [_setting(view, stage["name"]) for stage in view.stages[1:]]
    parts = [
        _words(8, 22, f"Which token comes next{', before and after the settings' if used else ''}", weight=600),
        _words(8, 42, f"{EXPLAINED} Run this cell to use the view.", FAINT, 12),
    ]
    tree = Branches.unpack(view.tree)
    text, y = _text(view, tree)
    parts.append(text)
    if view.stages:
        bars, y = _bars(view, y + 10, ", ".join(used))
        parts.append(bars)
    branches, y = _branches(view, tree, y + 6)
    return picture("".join([*parts, branches]), WIDTH, float(y + 8))


def _setting(view: Lab, name: str) -> str:
    value = view.settings.get(name)
    return name if value is None else f"{name} {value:g}"


def _text(view: Lab, tree: Branches) -> tuple[str, int]:
    blank = not view.prompt.strip()  # a prompt of only white space would look empty
    prompt = _short(visible_token(view.prompt) if blank else view.prompt.replace("\n", "⏎"), 92)
    boxes, y = _boxes(view, tree, tree.path(view.at)[-MOST_TOKENS:], 8, 78)
    return _words(8, 68, prompt, weight=600) + boxes, y


def _boxes(view: Lab, tree: Branches, nodes: list[int], left: Number, y: int) -> tuple[str, int]:
    """Draw tokens in rows, coloured by the model's surprise; also return the y coordinate below the rows."""
    parts, x = [], left
    for number in nodes:
        node = tree.nodes[number]
        label = _short(visible_token(view.word(node.id)), 24)
        width = width_of(label) * 0.88 + 8
        if x > left and x + width > WIDTH - 8:
            x, y = left, y + 24
        fill = blend(-node.log_prob / MOST_SURPRISE, SURPRISE)
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="20" rx="3" fill="{fill}" stroke="{LINE}"/>'
        )
        parts.append(_words(x + width / 2, y + 14, label, ink_on(fill), 12, mono=True, anchor="middle"))
        x += width + 3
    return "".join(parts), y + (26 if nodes else 0)


def _bars(view: Lab, top: int, used: str) -> tuple[str, int]:
    first, last = view.stages[0], view.stages[-1]
    most = max([*first["p"], *last["p"], 0.0])
    scale = next(one for one in SCALES if one >= min(most, 1.0))
    x = lambda p: LEFT + (RIGHT - LEFT) * min(p, 1.0) / scale  # noqa: E731
    bottom = top + 22 + ROW * len(view.tokens)
    parts = []
    for k in range(5):
        p = scale * k / 4
        parts.append(f'<line x1="{x(p):g}" x2="{x(p):g}" y1="{top + 18}" y2="{bottom}" stroke="{LINE}"/>')
        parts.append(_words(x(p), top + 12, f"{100 * p:g}%", FAINT, 11, anchor="middle"))
    for k, token in enumerate(view.tokens):
        y, before, after = top + 22 + ROW * k, first["p"][k], last["p"][k]
        ink = FAINT if token["cut"] else INK
        label = _short(visible_token(view.word(token["id"])), 18)
        parts.append(_words(LEFT - 8, y + 15, label, ink, 13, mono=True, anchor="end"))
        if used:
            parts.append(f'<rect x="{LEFT}" y="{y + 2}" width="{x(before) - LEFT:.1f}" height="7" fill="{BEFORE}"/>')
        parts.append(f'<rect x="{LEFT}" y="{y + 9}" width="{x(after) - LEFT:.1f}" height="10" fill="{AFTER}"/>')
        change = f"{percent(before)} → {percent(after)}" if used else percent(after)
        parts.append(_words(RIGHT + 8, y + 15, f"cut by {token['cut']}" if token["cut"] else change, ink, 12))
    y = bottom
    if used:
        y += 18
        parts.append(f'<rect x="{LEFT}" y="{y - 8}" width="18" height="7" fill="{BEFORE}"/>')
        parts.append(_words(LEFT + 24, y, f"the model: entropy {first['entropy']:.2f} nats", FAINT, 12))
    y += 18
    parts.append(f'<rect x="{LEFT}" y="{y - 9}" width="18" height="9" fill="{AFTER}"/>')
    summary = (
        f"{used}: entropy {last['entropy']:.2f} nats, {last['kept']:,} of {first['kept']:,} tokens left"
        if used
        else f"the model: entropy {first['entropy']:.2f} nats; no setting is in use"
    )
    parts.append(_words(LEFT + 24, y, _short(summary, 88), FAINT, 12))
    if view.problem:
        y += 20
        parts.append(_words(8, y, _short(view.problem, 120), WARM, 12))
    return "".join(parts), y + 14


def _branches(view: Lab, tree: Branches, y: int) -> tuple[str, int]:
    """Draw the newest branches, each from where it leaves an older branch; also return the y coordinate below them."""
    ends = [end for end in tree.ends() if end != PROMPT]
    if len(ends) < 2:
        return "", y
    of = f"the last {MOST_BRANCHES} of {len(ends):,} branches" if len(ends) > MOST_BRANCHES else f"{len(ends)} branches"
    parts = [_words(8, y + 14, f"Written so far, {of}; darker tokens surprised the model more", weight=600, size=13)]
    y, seen = y + 26, set[int]()
    for end in ends[-MOST_BRANCHES:]:
        path = tree.path(end)
        new = [node for node in path if node not in seen]
        seen.update(path)
        start = joined_text(view.word(tree.nodes[node].id) for node in path[: len(path) - len(new)])
        p = math.exp(sum(tree.nodes[node].log_prob for node in path))
        parts.append(_words(8, y + 14, f"{p:.1e}", FAINT, 11))
        begin = ("…" + start[-14:] if start else "").replace("\n", "⏎")
        parts.append(_words(LEFT - 8, y + 14, begin, FAINT, 12, mono=True, anchor="end"))
        boxes, y = _boxes(view, tree, new[:MOST_TOKENS], LEFT, y)
        parts.append(boxes)
    return "".join(parts), y


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length // 2] + "…" + text[len(text) - (length - length // 2 - 1) :]


def _words(
    x: Number,
    y: Number,
    words: str,
    fill: str = INK,
    size: int = 14,
    *,
    weight: int = 400,
    mono: bool = False,
    anchor: str = "start",
) -> str:
    family = ' font-family="monospace"' if mono else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{fill}"{family}{bold}>'
        f"{escape_xml(words)}</text>"
    )
