"""The chat view shows a conversation with one model, or the same conversation with several models side by side."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import traitlets

from llmlib.files.atomic import atomic_write
from llmlib.widgets.chat.picture import draw
from llmlib.widgets.chat.turns import hidden, name_of, turns_of
from llmlib.widgets.shared.base import View


class ChatView(View):
    """A conversation with one or more models (`names`).

    A message has a `role` and a `content`; if several models answer, `speaker` is the number of the model that gave the
    answer. `notes` contains a dictionary for each message. The dictionary of an answer has `tokens` (how many of
    `readings` belong to the answer), `writing`, `ended` (why the answer was cut off) and `problem` (why there is no
    answer). The dictionary of a question that was asked blind has `order` (the speakers from left to right) and `vote`
    (None, a speaker's number, "tie", "bad", or "none" if nothing could be compared). `readings` contains the
    tokens of all answers and the likeliest alternatives (see readings.py), and `words` contains the texts of all these
    tokens.

    The view's actions are "message" (`text`), "edit" (`message`, `text`), "stop", "clear", "restore" (what was
    cleared), "system" (`text`), "set" (`name`, `value`), "limit" (`value`), "seed" (`value`), "order" (`together`),
    "blind" (`on`), "vote" (`message`, `choice`: a side counted from the left, "tie" or "bad") and "forget". The owner
    of a model answers by setting the traits; for a message that no model could answer, the owner sets `notice` and
    `returned` (see `llmlib.explore.explore_chat`).

    >>> ChatView(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}])
    <ChatView: A conversation. You: Hi — Model: Hello!>
    """

    folder = Path(__file__).parent
    shown = (
        "messages",
        "notes",
        "answering",
        "names",
        "readings",
        "words",
        "system",
        "system_problems",
        "settings",
        "limit",
        "seed",
        "vocabulary",
        "together",
        "blind",
        "tally",
    )

    messages: Any = traitlets.List(traitlets.Dict()).tag(sync=True)
    notes: Any = traitlets.List(traitlets.Dict()).tag(sync=True)
    answering = traitlets.Bool(False).tag(sync=True)
    names: Any = traitlets.List(traitlets.Unicode(), ["Model"]).tag(sync=True)
    returned = traitlets.Unicode("").tag(sync=True)  # an unanswered message, which goes back into the box
    cleared = traitlets.Int(0).tag(sync=True)  # how many messages "Start over" removed; they can be restored
    readings = traitlets.Bytes(b"").tag(sync=True)
    words: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)

    system = traitlets.Unicode("").tag(sync=True)
    system_problems: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)  # why some models reject a system prompt
    settings = traitlets.Dict().tag(sync=True)  # the sampler's settings; empty if the user cannot change any
    limit = traitlets.Int(256).tag(sync=True)  # the maximum number of tokens in an answer
    seed = traitlets.Int(0).tag(sync=True)
    vocabulary = traitlets.Int(0).tag(sync=True)
    together = traitlets.Bool(True).tag(sync=True)  # True: several models answer at once; False: in turn

    blind = traitlets.Bool(False).tag(sync=True)
    tally = traitlets.Dict().tag(sync=True)  # how many votes: wins (one number for each speaker), tie, bad
    still = traitlets.Dict().tag(sync=True)  # id, html: the conversation as it is now, for a saved notebook

    def conversations(self) -> list[dict[str, Any]]:
        """List each speaker's `name` and `messages` in dataset format, without messages that were not answered.

        >>> said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
        >>> ChatView(messages=said).conversations()[0]["messages"] == said
        True
        """
        return [{"name": name, "messages": list(self._messages_of(k))} for k, name in enumerate(self.names)]

    def _messages_of(self, speaker: int) -> Iterator[dict[str, str]]:
        plain = lambda message: {"role": message["role"], "content": message["content"]}  # noqa: E731
        if self.system.strip():
            yield {"role": "system", "content": self.system}
        for turn in turns_of(self.messages):
            answers = [self.messages[k] for k in turn.answers if self.messages[k].get("speaker", speaker) == speaker]
            answers = [answer for answer in answers if answer["content"]]
            if turn.question is not None and answers:
                yield plain(self.messages[turn.question])
            yield from map(plain, answers)

    def save(self, path: str | Path) -> Path:
        """Write the view to an `.html` or `.svg` file, or its conversations to a `.jsonl` file, one speaker per line.

        Raises `ValueError` if the file has any other extension.
        """
        path = Path(path)
        if path.suffix == ".jsonl":
            with atomic_write(path) as file:
                file.write("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in self.conversations()).encode())
            return path
        if path.suffix not in (".html", ".svg"):
            raise ValueError(f"Cannot save a chat as {path.name!r}; the name must end in .html, .svg or .jsonl.")
        return super().save(path)

    @property
    def alt(self) -> str:
        said = " — ".join(f"{who}: {text}" for who, text in self._said())
        return f"A conversation. {said}" if said else "A conversation that has not begun."

    def _said(self) -> Iterator[tuple[str, str]]:
        """Yield each message's speaker and text, with answers from left to right; names stay hidden until the vote."""
        if self.system.strip():
            yield "System prompt", self.system
        for turn in turns_of(self.messages):
            note = self.note(turn.question)
            if turn.question is not None:
                yield "You", self.messages[turn.question]["content"]
            for k in turn.sides(self.messages, note):
                text = self.messages[k]["content"] or self.note(k).get("problem", "…")
                yield name_of(self.messages[k].get("speaker"), self.names, note), text

    def note(self, message: int | None) -> dict[str, Any]:
        return self.notes[message] if message is not None and message < len(self.notes) else {}

    @property
    def secret(self) -> bool:
        """Whether a question that was asked blind is still waiting for a vote."""
        return any(map(hidden, self.notes))

    def svg(self) -> str:
        return draw(self)
