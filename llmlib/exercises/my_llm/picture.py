"""Draw a picture of `my_llm.py`: which parts are the learner's own, which are borrowed, and which part comes next."""

import html
from dataclasses import dataclass

from llmlib.exercises.engine import keeping
from llmlib.exercises.my_llm.parts import GROUPS, PARTS, Part
from llmlib.exercises.my_llm.remembering import checked
from llmlib.exercises.registry import find
from llmlib.style import picture_html

YOURS, SHOWN, UNKNOWN, OURS = "yours", "from solution", "kept elsewhere", "borrowed"
MARKS = {YOURS: "✓", SHOWN: "◐", UNKNOWN: "?", OURS: "○"}
FILLS = {YOURS: "#0b5cad", SHOWN: "#d6e6f5", UNKNOWN: "#fdeedd", OURS: "#ffffff"}
DIM, LIT = "#f6f8fa", "#fff1e5"  # colours of a group's box
INK, FAINT, LINE, FOCUS = "#1f2328", "#57606a", "#8c959f", "#d55e00"

PLACES = {  # column and row of each box; text goes through the upper row from left to right
    "Tokenizer": (0, 0),
    "Model": (1, 0),
    "Sampling": (2, 0),
    "Training": (0, 1),
    "Attention": (1, 1),
    "Tuning": (2, 1),
}
WIDTH, GAP, ROW, HEAD = 270, 45, 27, 48


@dataclass(frozen=True)
class Whole:
    """The current state of each part of `my_llm.py`: "yours", "from solution", "kept elsewhere" or "borrowed".

    `here` is the group that the learner is working on, or "".
    """

    states: tuple[tuple[Part, str], ...]
    here: str = ""

    def count(self, state: str) -> int:
        return sum(each == state for _, each in self.states)

    @property
    def next(self) -> Part | None:
        """Return the first part that is not yet the learner's own."""
        return next((part for part, state in self.states if state != YOURS), None)

    @property
    def summary(self) -> str:
        said = f"{self.count(YOURS)} of {len(self.states)} parts of my_llm.py are yours"
        others = [f"{n} {state}" for state in (SHOWN, UNKNOWN) if (n := self.count(state))]
        if self.next is None:
            return f"{said}: the whole file."
        minutes = find(self.next.exercise).minutes
        after = f"Next: {self.next.exercise}, in lesson {self.next.lesson}, about {minutes} minutes."
        return f"{', '.join([said, *others])}. {after}"

    def __repr__(self) -> str:
        lines = [self.summary]
        for group, does in GROUPS.items():
            lines.append(f"\n{group}: {does}")
            lines += [
                f"  {MARKS[state]} {part.exercise:34} {state}" for part, state in self.states if part.group == group
            ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.summary)}</p>{picture_html(self.svg().encode(), self.alt, 'svg')}"

    @property
    def alt(self) -> str:
        """Describe the picture for people who cannot see it."""
        named = {state: [part.name for part, each in self.states if each == state] for state in MARKS}
        said = [f"{state}: {', '.join(names)}" for state, names in named.items() if names]
        here = f" You are here: {self.here}." if self.here else ""
        return f"The parts of a language model, from text to text.{here} {'. '.join(said)}."

    def svg(self) -> str:
        """Draw six boxes that list their parts; arrows lead through the upper row, from text to text."""
        upper = HEAD + ROW * max(self._rows(group) for group, (_, row) in PLACES.items() if row == 0) + 10
        lower = HEAD + ROW * max(self._rows(group) for group, (_, row) in PLACES.items() if row == 1) + 10
        width, height = 3 * WIDTH + 4 * GAP, upper + lower + GAP + 58
        drawn = [self._box(group, upper, lower) for group in PLACES]
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="system-ui, sans-serif" font-size="14">'
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            f'<path d="M0 0 L8 4 L0 8 z" fill="{FAINT}"/></marker></defs>'
            f"{_arrows(upper)}{''.join(drawn)}{_legend(height - 26)}</svg>"
        )

    def _rows(self, group: str) -> int:
        return sum(part.group == group for part in (part for part, _ in self.states))

    def _box(self, group: str, upper: int, lower: int) -> str:
        x, y, height = _left(group), _top(group, upper), upper if PLACES[group][1] == 0 else lower
        look = (
            f'fill="{LIT}" stroke="{FOCUS}" stroke-width="3"' if group == self.here else f'fill="{DIM}" stroke="{LINE}"'
        )
        shown = [
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="10" {look}/>',
            _text(x + 14, y + 22, group, weight=600),
            _text(x + WIDTH - 14, y + 22, "you are here" if group == self.here else "", size=12, anchor="end"),
            _text(x + 14, y + 39, GROUPS[group], FAINT, size=12),
        ]
        for row, (part, state) in enumerate(pair for pair in self.states if pair[0].group == group):
            shown.append(self._line(part, state, x + 10, y + HEAD + ROW * row))
        return "".join(shown)

    def _line(self, part: Part, state: str, x: int, y: int) -> str:
        edge = FOCUS if part == self.next else LINE
        style = 'stroke-width="2.5"' if part == self.next else 'stroke-dasharray="4 3"' if state == OURS else ""
        ink = "#ffffff" if state == YOURS else INK
        name = (
            part.name
            if len(part.name) < 25
            else part.name.replace("scaled_dot_product_attention", "scaled_dot_product")
        )
        right = "next" if part == self.next and state == OURS else "" if state == OURS else state
        return (
            f'<rect x="{x}" y="{y}" width="{WIDTH - 20}" height="{ROW - 4}" rx="5" fill="{FILLS[state]}" '
            f'stroke="{edge}" {style}/>'
            + _text(x + 8, y + 16, f"{MARKS[state]} {name}", ink, size=13)
            + _text(x + WIDTH - 28, y + 16, right, ink, size=12, anchor="end")
        )


def whole_now(here: str = "") -> Whole:
    """Look up the state of each part without running any stored code. Raises `ValueError` if `here` is not a group."""
    if here and here not in GROUPS:
        raise ValueError(f"here must be one of {', '.join(map(repr, GROUPS))}; got {here!r}.")
    return Whole(tuple((part, _state(part)) for part in PARTS), here)


def _state(part: Part) -> str:
    kept = keeping.last_kept(part.exercise)
    if kept is None:
        return YOURS if part.exercise in checked else OURS
    if not kept.sealed:
        return YOURS if part.exercise in checked else UNKNOWN
    return SHOWN if kept.borrowed else YOURS


def _left(group: str) -> int:
    return GAP + PLACES[group][0] * (WIDTH + GAP)


def _top(group: str, upper: int) -> int:
    return 12 + PLACES[group][1] * (upper + GAP - 10)


def _arrows(upper: int) -> str:
    middle, under = 12 + upper // 2, 12 + upper
    below = under + GAP - 10
    boxes = [_left(group) for group in ("Tokenizer", "Model", "Sampling")]
    lines = [f"M4 {middle} H{boxes[0] - 3}", *(f"M{x + WIDTH} {middle} H{x + WIDTH + GAP - 3}" for x in boxes)]
    lines.append(f"M{boxes[1] + WIDTH // 2} {below} V{under + 3}")  # attention is part of the model
    for x, side in ((boxes[0] + WIDTH, 1), (boxes[2], -1)):  # training and tuning change the model's weights
        lines.append(f"M{x} {below + 60} H{x + side * GAP // 2} V{under - 30} H{x + side * (GAP - 3)}")
    drawn = "".join(
        f'<path d="{line}" fill="none" stroke="{FAINT}" stroke-width="1.6" marker-end="url(#tip)"/>' for line in lines
    )
    said = ("text", "ids", "logits", "text")
    edges = [GAP // 2, *(x + WIDTH + GAP // 2 for x in boxes)]
    return drawn + "".join(_text(x, middle - 8, word, FAINT, 12, "middle") for x, word in zip(edges, said))


def _legend(y: int) -> str:
    said = {YOURS: "yours", SHOWN: "taken from solution", OURS: "borrowed from the library until you write it"}
    x, shown = GAP, []
    for state, words in said.items():
        dashed = 'stroke-dasharray="4 3"' if state == OURS else ""
        shown.append(
            f'<rect x="{x}" y="{y - 12}" width="22" height="16" rx="4" fill="{FILLS[state]}" stroke="{LINE}" {dashed}/>'
        )
        shown.append(_text(x + 30, y + 1, f"{MARKS[state]} {words}", INK, 13))
        x += 75 + 7 * len(words)
    return "".join(shown)


def _text(x: int, y: int, words: str, ink: str = INK, size: int = 14, anchor: str = "start", weight: int = 400) -> str:
    return bool(words) * (
        f'<text x="{x}" y="{y}" fill="{ink}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{html.escape(words)}</text>"
    )
