"""Draw the static picture of an alignment view, for environments where widgets cannot run."""

import textwrap
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from llmlib.widgets.alignment.groups import Group, brief, cut, in_words, merged, most_telling, signed
from llmlib.widgets.shared.base import escape_xml
from llmlib.widgets.shared.runs.charts import Pairs, charts, legends, wrapped
from llmlib.widgets.shared.still import FAINT, INK
from llmlib.widgets.shared.token_text import picture

WIDTH = 860
TITLES = ("Reward", "KL (nats per answer)", "Entropy (nats per token)", "Length (tokens)")
BETTER, WORSE = "#0b5cad", "#9a4f00"  # the colours of the light theme in shared.css
BAR = 60.0  # pixels: half the width of the bar for an advantage
TEXT = 260.0  # the x coordinate of the answers


@runtime_checkable
class Board(Protocol):
    """The parts of `AlignmentView` that this module draws."""

    compared: Mapping[str, Any]

    def pairs(self) -> Pairs: ...
    def last_groups(self) -> list[tuple[str, int, list[Group]]]: ...


def draw(view: Board) -> str:
    """Draw the current state of all runs, the newest answers, and the first comparison between models."""
    pairs = view.pairs()
    below, y = legends(pairs, [_legend(about) for about, _, _ in pairs])
    measures = list(dict.fromkeys(name for about, _, _ in pairs for name in about["measures"]))
    dashed = f"Dashed: {', '.join(measures)}, measured but not used for training. " if measures else ""
    parts = [
        '<text x="8" y="22" font-weight="600">Reward at each step: the higher it is, the better the answers.</text>',
        f'<text x="8" y="42" fill="{FAINT}" font-size="12">Solid lines: the reward used for training. '
        f"{escape_xml(dashed)}Run this cell to use the view.</text>",
        charts(pairs, TITLES, caps=False, from_zero=(False, True, True, True)),
        below,
    ]
    for name, step, groups in view.last_groups():
        whose = f"{name}: answers" if len(pairs) > 1 else "Answers"
        title = f"{whose} to one prompt after step {step:,}, and their advantages"
        source, y = _group(title, groups[most_telling(groups)], y + 16)
        parts.append(source)
    if view.compared.get("prompts"):
        source, y = _side_by_side(view.compared, y + 16)
        parts.append(source)
    return picture("".join(parts), WIDTH, y + 8)


def _legend(about: dict[str, Any]) -> str:
    of = f" of {about['steps']:,}" if about["steps"] and about["state"] != "finished" else ""
    parts = [f"{about['name']}: {about['state']}, {about['step']:,}{of} steps"]
    if "reward" in about:
        parts.append(f"reward {brief(about['reward'])}, initially {brief(about['first'])}")
    parts += [f"{name} {brief(about[key])}" for name in about["measures"] if (key := f"measure {name}") in about]
    if "kl" in about:
        parts.append(f"KL {brief(about['kl'])} nats")
    return " · ".join(parts)


def _line(x: int | float, y: int | float, words: str, **looks: str) -> str:
    style = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in looks.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="12"{style}>{escape_xml(words)}</text>'


def _ending(prompt: str, most: int = 4) -> list[str]:
    """Split a prompt into lines, and return at most `most` of them: the last lines, where the question usually is."""
    lines = [line for line in wrapped(prompt, 120, 100) if line]
    return lines if len(lines) <= most else ["…", *lines[1 - most :]]


def _group(title: str, group: Group, y: float) -> tuple[str, float]:
    """Draw a group's prompt and answers; also return the y coordinate below them.

    A bar to the left or to the right shows each answer's advantage.
    """
    parts = [_line(8, y, title, font_weight="600")]
    for line in _ending(group["prompt"]):
        y += 17
        parts.append(_line(8, y, line, fill=FAINT))
    y += 19
    parts.append(_line(8, y, in_words(group)))
    rows = merged(group)
    y += 20
    parts += [_line(x, y, words, fill=FAINT) for x, words in ((8, "advantage"), (200, "reward"), (TEXT, "answer"))]
    most = max([1e-9, *(abs(advantage) for _, _, advantage, _ in rows if advantage is not None)])
    for text, reward, advantage, count in rows:
        y += 20
        width = BAR * abs(advantage or 0) / most
        fill = BETTER if (advantage or 0) > 0 else WORSE
        left = 70.0 if (advantage or 0) > 0 else 70 - width
        parts.append(f'<rect x="{left:.1f}" y="{y - 10:g}" width="{width:.1f}" height="12" fill="{fill}"/>')
        parts.append(f'<path d="M70 {y - 13:g}v18" stroke="{INK}"/>')
        parts += [_line(180, y, signed(advantage), text_anchor="end"), _line(200, y, brief(reward))]
        many = f" (× {count})" if count > 1 else ""
        line, *more = textwrap.wrap(text, 88) or ["(empty)"]
        parts.append(_line(TEXT, y, f"{line}{'…' if more else ''}{many}"))
    return "".join(parts), y + 8


def _side_by_side(compared: Mapping[str, Any], y: float) -> tuple[str, float]:
    parts = [_line(8, y, "Side by side: each model’s answer to the same prompt", font_weight="600")]
    for line in _ending(compared["prompts"][0]):
        y += 17
        parts.append(_line(8, y, line, fill=FAINT))
    for name, answers, rewards in zip(compared["models"], compared["answers"], compared["rewards"]):
        reward = f" (reward {brief(rewards[0])})" if rewards else ""
        y += 20
        parts.append(_line(8, y, f"{cut(name, 18)}{reward}", font_weight="600"))
        for line in wrapped(answers[0], 100, 4) or ["(empty)"]:
            parts.append(_line(TEXT, y, line))
            y += 17
        y -= 17
    return "".join(parts), y + 8
