"""The chat view: a conversation, a place to type, a button that stops the answer."""

from pathlib import Path

import traitlets

from llmlib.widgets.shared.base import View, escape_xml


class ChatView(View):
    """Shows `messages`; its acts are "message" with a `text`, "stop" and "clear".

    Whoever owns a model answers by setting `messages` and `answering`, or `notice` and `returned` for a message
    without an answer (see `llmlib.explore.explore_chat`).

    >>> ChatView(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}])
    <ChatView: A conversation. You: Hi — Model: Hello!>
    """

    folder = Path(__file__).parent
    shown = ("messages", "answering", "name")

    messages = traitlets.List(traitlets.Dict()).tag(sync=True)
    answering = traitlets.Bool(False).tag(sync=True)
    name = traitlets.Unicode("Model").tag(sync=True)
    returned = traitlets.Unicode("").tag(sync=True)  # a message that was not answered; it goes back into the box

    @property
    def alt(self) -> str:
        said = " — ".join(f"{self._who(m)}: {m['content']}" for m in self.messages)
        return f"A conversation. {said}" if said else "A conversation that has not begun."

    def svg(self) -> str:
        lines = [f"{self._who(m)}: {m['content']}"[:90] for m in self.messages] or ["(no message yet)"]
        rows = [f'<text x="12" y="{30 + 24 * i}">{escape_xml(line)}</text>' for i, line in enumerate(lines)]
        size = f'width="640" height="{44 + 24 * len(lines)}"'
        style = 'font-size="14" font-family="sans-serif" fill="#1f2328"'
        frame = '<rect x="1" y="1" width="638" height="99%" fill="#ffffff" stroke="#b8bec6" rx="8"/>'
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{frame}{"".join(rows)}</svg>'

    def _who(self, message: dict) -> str:
        return "You" if message["role"] == "user" else self.name
