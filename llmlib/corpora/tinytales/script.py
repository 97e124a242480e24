"""Compile the little language that the tales are written in.

The files in ``words/shapes`` contain story shapes and shared passages, written like this::

    === lost_and_found                   a shape (``+++ name`` opens a shared passage instead)
    thing: toy keepsake                  fields: what the shape needs, and its summary in one sentence
    let spot = in a boot | in a tree     a choice made once per story; ``x, y = 1 ; 2 | 3 ; 4`` chooses x and y together
    ---
    * {a} lost {a.his} [pretty|dear] {o.full}.       a beat; each further line is another way to say it
    {a} could not find {o.the}.
    ? Who lost {o.the}? | {a}                        a question that every way of telling this beat answers
    *40 ...                              a beat that is told in 40 % of the stories
    @way                                 a shared passage; ``@40 way`` in 40 % of the stories
    /                                    a new paragraph

``[pretty|dear]`` are alternatives; ``{a.his}`` is a slot, filled from the state of the world. A line is compiled for
the genders of the cast: if a pronoun could mean two characters, it becomes a name.
"""

import itertools
import re
from dataclasses import dataclass, field

SLOT = re.compile(r"\{(@?\w+)(?:\.(\w+))?\}")
ALTERNATIVES = re.compile(r"\[([^\[\]]*)\]")
PRONOUNS = {
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
}
MAX_VARIANTS = 250


class ScriptError(ValueError):
    """Raised when there is a mistake in a file of story shapes; the message says where it is."""


@dataclass(frozen=True)
class Ask:
    """A question, its answer, and the answer's slot or None; wrong answers are other values of the slot."""

    question: str
    answer: str
    slot: str | None


@dataclass
class Line:
    """One way to tell a beat; the alternatives in it are compiled on first use for each pattern of genders."""

    source: str
    asks: tuple[Ask, ...] = ()
    compiled: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def forms(self, genders: str) -> tuple[str, ...]:
        """Return all wordings as ``%`` format strings, for a cast like ``"fm-m"`` (roles a to d; - is nobody)."""
        if genders not in self.compiled:
            self.compiled[genders] = tuple(compile_text(text, genders) for text in expand(self.source))
        return self.compiled[genders]


@dataclass(frozen=True)
class Beat:
    """A step that is included in ``chance`` per cent of the stories.

    Such a story contains one of ``lines``, and answers the questions in ``asks``.
    """

    chance: int
    lines: tuple[Line, ...]
    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class Call:
    """A step that adds one line of a shared passage, in ``chance`` per cent of the stories.

    Two passages are special: "start" adds an opening and an introduction, in random order, and "end.lesson" adds the
    lesson of the story's own shape.
    """

    chance: int
    passage: str


@dataclass(frozen=True)
class Let:
    """A ``let`` line, which gives its names one of several tuples of values in each story."""

    names: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Shape:
    """A story shape, with its fields, the choices that are made once per story, and its paragraphs of steps."""

    name: str
    fields: dict[str, str]
    choices: tuple[Let, ...]
    paragraphs: tuple[tuple[Beat | Call, ...], ...]

    @property
    def summary(self) -> str:
        return self.fields["summary"]


def expand(text: str) -> list[str]:
    """Return all texts that a text with ``[x|y]`` alternatives can become.

    >>> expand("a [big|small] [cat|dog]")
    ['a big cat', 'a big dog', 'a small cat', 'a small dog']
    """
    pieces = ALTERNATIVES.split(text)  # odd positions hold the alternatives
    choices = [piece.split("|") if i % 2 else [piece] for i, piece in enumerate(pieces)]
    texts = [re.sub(" +", " ", "".join(choice)) for choice in itertools.product(*choices)]
    if len(texts) > MAX_VARIANTS:
        raise ScriptError(f"{len(texts)} variants (at most {MAX_VARIANTS}) in: {text}")
    return texts


def compile_text(text: str, genders: str) -> str:
    """Turn ``text`` into a ``%`` format string, with sentences capitalised, and names in place of unclear pronouns.

    A pronoun is kept if nobody else in the story has the same gender. Otherwise, the pronoun is kept only if the person
    that it stands for was named earlier in this text, and nobody else of that gender was named in the same sentence as
    that person, in a later sentence, or in the sentence before the pronoun's. "His" is also kept if that person, and
    nobody else of that gender, was named in the same sentence as "his"; "himself" is always kept.

    >>> compile_text("{a} met {b}. {a.he} smiled.", "mf--")
    '%(a)s met %(b)s. He smiled.'
    >>> compile_text("{a} met {b}. {a.he} smiled.", "mm--")
    '%(a)s met %(b)s. %(a)s smiled.'
    """
    out: list[str] = []
    named_at: dict[str, int] = {}  # role -> the last sentence that named it
    sentence, position = 0, 0
    for slot in SLOT.finditer(text):
        literal = text[position : slot.start()].replace("%", "%%")
        sentence += len(re.findall(r"[.!?](?=[\"\s])", literal))
        out.append(literal)
        position = slot.end()
        name, attribute = slot[1], slot[2] or ""
        capital = starts_sentence(text[: slot.start()]) or attribute[:1].isupper()
        attribute = attribute.lower()
        if name in "abcd" and attribute in PRONOUNS["m"]:
            gender = genders["abcd".index(name)]
            if gender == "-":
                raise ScriptError(f"no {name!r} in the cast of: {text}")
            rivals = [
                role
                for role, other in zip("abcd", genders, strict=True)
                if other == gender and role != name and (role != "d" or "{d" in text)
            ]
            clear = not rivals or (
                name in named_at and all(named_at.get(role, -9) < min(sentence - 1, named_at[name]) for role in rivals)
            )
            own = named_at.get(name) == sentence and all(named_at.get(role) != sentence for role in rivals)
            if clear or attribute == "himself" or (attribute == "his" and own):
                word = PRONOUNS[gender][attribute]
                out.append(word.capitalize() if capital else word)
                continue
            out.append(f"%({name})s" + ("'s" if attribute == "his" else ""))
        else:
            key = f"{name}.{attribute}" if attribute else name
            mark = "^" if capital and (attribute or name not in "abcd") else ""  # names are already capitalised
            out.append(f"%({key}{mark})s")
        if name in "abcd":
            named_at[name] = sentence
    out.append(text[position:].replace("%", "%%"))
    return "".join(out)


def starts_sentence(before: str) -> bool:
    """Return whether a word after ``before`` starts a sentence.

    After ``!"``, the answer is no, because "she said" may follow.
    """
    return not before or bool(re.search(r"([.!?] |[.] ?\" |(^| )\")$", before))


def plain(text: str) -> str:
    """Turn a question, answer or field into a ``%`` format string; slots stay as they are, even those for pronouns."""
    return SLOT.sub(lambda m: f"%({m[1]}{'.' + m[2] if m[2] else ''})s", text.replace("%", "%%"))


def parse(source: str, filename: str = "<script>") -> tuple[dict[str, Shape], dict[str, tuple[Line, ...]]]:
    """Read the shapes and the shared passages in ``source``.

    Raises ScriptError with the line number of the offending line.
    """
    shapes: dict[str, Shape] = {}
    passages: dict[str, tuple[Line, ...]] = {}
    blocks: list[tuple[str, list[tuple[int, str]]]] = []
    for number, raw in enumerate(source.splitlines(), 1):
        if not raw.strip() or raw.startswith("#"):
            continue
        if raw.startswith(("===", "+++")):
            blocks.append((raw.strip(), []))
        elif blocks:
            blocks[-1][1].append((number, raw.rstrip()))
        else:
            raise ScriptError(f"{filename}:{number}: text before the first === or +++")
    for header, body in blocks:
        name = header[3:].strip()
        if name in shapes or name in passages:
            raise ScriptError(f"{filename}: {name!r} is defined twice")
        if header.startswith("+++"):
            passages[name] = _parse_passage(body, filename)
        else:
            shapes[name] = _parse_shape(name, body, filename)
    return shapes, passages


def _ask(text: str) -> Ask:
    question, answer = (part.strip() for part in text.lstrip("? ").split("|"))
    slot = SLOT.fullmatch(answer)
    return Ask(plain(question), plain(answer), f"{slot[1]}{'.' + slot[2] if slot[2] else ''}" if slot else None)


def _parse_passage(body: list[tuple[int, str]], filename: str) -> tuple[Line, ...]:
    lines: list[Line] = []
    for number, text in body:
        try:
            if text.lstrip().startswith("?"):
                lines[-1] = Line(lines[-1].source, (*lines[-1].asks, _ask(text.strip())))
            else:
                lines.append(Line(text.strip()))
        except (ValueError, IndexError) as error:
            raise ScriptError(f"{filename}:{number}: {error}: {text}") from None
    return tuple(lines)


def _parse_shape(name: str, body: list[tuple[int, str]], filename: str) -> Shape:
    fields: dict[str, str] = {}
    choices: list[Let] = []
    paragraphs: list[list[Beat | Call]] = [[]]
    chance, lines, asks = 0, [], []  # type: int, list[Line], list[Ask]

    def close() -> None:
        nonlocal lines, asks
        if lines:
            paragraphs[-1].append(Beat(chance, tuple(lines), tuple(asks)))
        lines, asks = [], []

    in_header = True
    for number, text in body:
        try:
            if text == "---":
                in_header = False
            elif in_header and text.startswith("let "):
                names, values = text[4:].split("=", 1)
                keys = tuple(key.strip() for key in names.split(","))
                options = tuple(tuple(plain(v.strip()) for v in option.split(";")) for option in values.split("|"))
                if any(len(option) != len(keys) for option in options):
                    raise ScriptError("every option needs one value for each name")
                choices.append(Let(keys, options))
            elif in_header:
                key, value = text.split(":", 1)
                fields[key.strip()] = value.strip()
            elif text == "/":
                close()
                paragraphs.append([])
            elif text.startswith("@"):
                close()
                called = re.fullmatch(r"@(?:(\d+) )?([\w.]+)", text)
                if not called:
                    raise ScriptError("expected @name or @40 name")
                paragraphs[-1].append(Call(int(called[1] or 100), called[2]))
            elif text.startswith("*"):
                close()
                start = re.match(r"\*(\d*) ?", text)
                assert start
                chance = int(start[1] or 100)
                lines.append(Line(text[start.end() :]))
            elif text.startswith("?"):
                asks.append(_ask(text))
            elif text.lstrip().startswith("?"):
                lines[-1] = Line(lines[-1].source, (*lines[-1].asks, _ask(text.strip())))
            elif lines:
                lines.append(Line(text))
            else:
                raise ScriptError("a line outside any beat (start a beat with *)")
        except (ValueError, IndexError) as error:
            raise ScriptError(f"{filename}:{number}: {error}: {text}") from None
    close()
    for needed in ("thing", "about", "summary"):
        if needed not in fields:
            raise ScriptError(f"{filename}: shape {name!r} has no field {needed!r}")
    return Shape(name, fields, tuple(choices), tuple(tuple(p) for p in paragraphs))
