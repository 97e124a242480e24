"""The sampling view shows a distribution before and after each setting, and the branches of a text."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from llmlib.widgets.sampling.branches import PROMPT, WAYS, Branches
from llmlib.widgets.sampling.distribution import Stages, compare
from llmlib.widgets.sampling.picture import draw
from llmlib.widgets.shared.base import View
from llmlib.widgets.shared.settings import NEUTRAL
from llmlib.widgets.shared.token_text import joined_text, percent, visible_token


class SamplingView(View):
    """The next token's probabilities, and what settings do to them; to make a view from arrays, use `sampling_view`.

    `tokens` are the tokens worth showing, each with the name of the stage that ruled it out (`cut`). `stages` describe
    the model's distribution, and the distribution after each setting (see `compare`). `tree` contains the bytes of
    `Branches`, `at` is the node where the text ends, and `words` maps the ids of all these tokens to texts.

    The owner of a model handles these user actions by setting the traits (see `llmlib.explore.explore_sampling`):
    "prompt" (`text`), "take" (`id`), "step", "back", "go" (`node`), "set" (`name`, `value`), "reset", "ban" (`id`),
    "allow" (`pattern`), "draws" (`times`), "seed" (`value`) and "again"; for texts side by side, also "add", "drop"
    (`lane`), "use" (`lane`), "race", "clear" and "follow" (`lane`, `length`). While a page is writing
    automatically, with one "step" or "race" action after another, `writing` says so, and every page that shows this
    widget can stop it.
    """

    folder = Path(__file__).parent
    shown = (
        "prompt",
        "prompt_tokens",
        "context",
        "tree",
        "words",
        "at",
        "ended",
        "problem",
        "settings",
        "seed",
        "banned",
        "pattern",
        "tokens",
        "stages",
        "draws",
        "lanes",
        "place",
        "vocabulary",
    )

    prompt = traitlets.Unicode("").tag(sync=True)
    prompt_tokens = traitlets.Int(0).tag(sync=True)  # how many tokens the prompt has
    context = traitlets.Int(0).tag(sync=True)  # how many tokens fit into the context
    vocabulary = traitlets.Int(0).tag(sync=True)
    tree = traitlets.Bytes(Branches().pack()).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)  # the text of each token, by id
    at = traitlets.Int(PROMPT).tag(sync=True)
    ended = traitlets.Unicode("").tag(sync=True)  # why nothing can be written here
    problem = traitlets.Unicode("").tag(sync=True)  # why the settings do not leave any token

    settings = traitlets.Dict(dict(NEUTRAL)).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    banned: Any = traitlets.List().tag(sync=True)  # ids
    pattern = traitlets.Unicode("").tag(sync=True)  # a regular expression that the text must match

    tokens: Any = traitlets.List().tag(sync=True)  # id, cut
    stages: Any = traitlets.List().tag(sync=True)  # name, entropy, kept, mass, p, rest
    draws = traitlets.Dict().tag(sync=True)  # n, counts of the tokens shown, rest; empty if nothing was drawn
    lanes: Any = traitlets.List().tag(sync=True)  # settings, banned, pattern, ids, log_probs, ended
    place = traitlets.Dict().tag(sync=True)  # where the user is looking: tab, stage
    writing = traitlets.Dict().tag(sync=True)  # kind (an action), by (a view); only the browser writes this trait

    def put_stages(self, stages: Stages, words: Mapping[int, str], always: Sequence[int] = ()) -> None:
        """Show the logits after each stage.

        `words` holds the text of each token that is worth showing or is in `always`.
        """
        tokens, compared = compare(stages, always)
        with self.hold_sync():
            self.tokens, self.stages, self.draws, self.vocabulary = tokens, compared, {}, len(stages[0][1])
            self.learn(words)

    def learn(self, words: Mapping[int, str]) -> None:
        """Store the texts of additional ids."""
        if new := {str(id): text for id, text in words.items() if self.words.get(str(id)) != text}:
            self.words = {**self.words, **new}

    def word(self, id: int) -> str:
        return str(self.words.get(str(id), ""))

    def branches(self) -> list[dict[str, Any]]:
        """List all written tokens, one dict per node; the prompt comes first, and children follow parents."""
        nodes = Branches.unpack(self.tree).nodes
        known = [
            {
                "node": number,
                "parent": node.parent,
                "id": node.id,
                "token": self.word(node.id),
                "log_prob": node.log_prob,
                "chance": node.chance,
                "way": WAYS[node.way],
            }
            for number, node in enumerate(nodes)
        ]
        prompt = {"node": PROMPT, "parent": None, "id": None, "token": self.prompt, "log_prob": 0.0, "chance": 1.0}
        return [{**prompt, "way": WAYS[0]}, *known[1:]]

    def written(self) -> list[str]:
        """Return the tokens after the prompt, up to the current end of the text."""
        tree = Branches.unpack(self.tree)
        return [self.word(id) for id in tree.ids(self.at)]

    @property
    def alt(self) -> str:
        text = (self.prompt + joined_text(self.written())).replace("\n", "⏎")
        text = text if len(text) <= 60 else "…" + text[-59:]
        if not self.stages:
            return f"Sampling lab after “{text}”."
        first, last = self.stages[0], self.stages[-1]
        used = ", ".join(stage["name"] for stage in self.stages[1:]) or "no setting"
        best = max(range(len(self.tokens)), key=lambda k: last["p"][k])
        p = last["p"][best]
        best_words = (
            f"likeliest now “{visible_token(self.word(self.tokens[best]['id']))}” ({percent(p)}). " if p else ""
        )
        ends = sum(1 for _ in Branches.unpack(self.tree).ends())
        return (
            f"Sampling lab after “{text}”: {used} leaves {last['kept']:,} of {first['kept']:,} tokens, entropy "
            f"{first['entropy']:.2f} nats before and {last['entropy']:.2f} nats after; {best_words}"
            f"{ends:,} branch{'es'[: 2 * (ends != 1)]} so far."
        )

    def svg(self) -> str:
        return draw(self)


def sampling_view(
    prompt: str,
    stages: Mapping[str, Float[np.ndarray, " vocab"]],
    vocabulary: Sequence[str],
    *,
    settings: Mapping[str, float | int | None] | None = None,
) -> SamplingView:
    """Show any model's distribution for the next token, before and after each stage.

    `stages` contains logits by name: first the model's logits, and then the logits after each stage; −∞ marks a token
    that a stage has ruled out. `settings` are numbers to show next to the stage names. Raises `ValueError` if there are
    no stages, if logits contain NaN, or if sizes do not match.

    >>> logits = np.log([0.6, 0.3, 0.1])
    >>> cut = np.where(logits < np.log(0.2), -np.inf, logits)
    >>> view = sampling_view("The", {"logits": logits, "top_k": cut}, [" cat", " dog", " sun"])
    >>> view.alt.split("; ")[0]
    'Sampling lab after “The”: top_k leaves 2 of 3 tokens, entropy 0.90 nats before and 0.64 nats after'
    """
    arrays = [(name, np.asarray(array, dtype=np.float64)) for name, array in stages.items()]
    if not arrays:
        raise ValueError("There are no stages to show: pass at least the model's logits, as {'logits': …}.")
    for name, array in arrays:
        if array.shape != (len(vocabulary),):
            raise ValueError(
                f"The logits of {name!r} have shape {array.shape}, but the vocabulary has {len(vocabulary)} tokens."
            )
        if any(map(math.isnan, array.tolist())):
            raise ValueError(f"The logits of {name!r} must not contain NaN.")
    view = SamplingView(prompt=prompt, settings={**NEUTRAL, **(settings or {})})
    tokens, _ = compare(arrays)
    view.put_stages(arrays, {token["id"]: vocabulary[token["id"]] for token in tokens})
    return view
