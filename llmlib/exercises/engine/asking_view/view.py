"""Show questions in a live view, with the same choices as in the static page; the view remembers the opened choices."""

from pathlib import Path
from typing import Any

import traitlets

from llmlib.widgets.shared.acts import Handler
from llmlib.widgets.shared.base import View


class QuestionsView(View):
    """A view of questions whose choices change colour when the learner opens them.

    Each of `questions` has a `text`, a `lead`, and `choices` with `text`, `right` and `because`; `opened` lists
    [question, choice] in the order in which the learner opened them. `choose(question, choice)` is called with the
    first choice for each question. `words` and `html` are the static form of the questions.
    """

    folder = Path(__file__).parent
    shown = ("title", "questions", "opened")

    title = traitlets.Unicode("").tag(sync=True)
    questions = traitlets.List(traitlets.Dict()).tag(sync=True)
    opened = traitlets.List(traitlets.List(traitlets.Int(), minlen=2, maxlen=2)).tag(sync=True)

    def __init__(self, words: str = "", html: str = "", choose: Handler | None = None, **traits: Any):
        self._words, self._html = words, html
        super().__init__(**traits)
        if choose:
            self.on_act("choose", choose)

    @property
    def alt(self) -> str:
        return self._words or self.title

    def fallback_html(self) -> str:
        return self._html
