"""Run the sampling view on a live model, to show how settings change the next token, and how a text branches."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.explore.sampling.lanes import MOST_LANES, Lanes
from llmlib.explore.sampling.rules import Followed, Rules
from llmlib.explore.shared.checks import check_room, check_token, checked_seed, prompt_ids
from llmlib.explore.shared.logits_reader import LogitsReader
from llmlib.explore.shared.own_model import noticing_training, undoing
from llmlib.explore.shared.settings import Settings, settings_of
from llmlib.explore.shared.token_texts import token_texts
from llmlib.sampling import Constraint
from llmlib.sampling.continuation import Continuation
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.sampling.branches import PROMPT, Branches
from llmlib.widgets.sampling.distribution import compare
from llmlib.widgets.sampling.view import SamplingView
from llmlib.widgets.shared.interrupts import interrupts

LANES: tuple[Settings, ...] = ({"temperature": 0.0}, {}, {"top_p": 0.9}, {"temperature": 1.5})
MOST_DRAWS = 1_000_000
MOST_TEXTS = 8  # number of prompts whose branches are kept
MOST_BANS = 8  # how many of the latest bans keep their bars even if unlikely, so that the user can allow them again
IN_THE_VIEW = {"logit_bias": "your bans", "the constraint": "your pattern"}  # the view's names for parts of a `Sampler`
NOTHING_LEFT = "No token is left to draw. The reason is below your text."
ENDINGS = {
    "end token": "The model has ended its text here. Go back a token, or take another token.",
    "constraint": "The text matches your whole pattern: only the end token may follow. "
    "Go back a token, or change the pattern.",
}
NO_TEXT = "Your pattern allows no text at all: only the end token may follow. Change the pattern."


def explore_sampling(
    model: Transformer,
    tokenizer: Tokenizer,
    prompt: str = "Once upon a time",
    *,
    settings: Settings | None = None,
    side_by_side: Sequence[Settings] = LANES,
    seed: int = 0,
) -> SamplingView:
    """Show the next token's distribution before and after each setting; users can draw, pick and remove tokens.

    `settings` are the initial settings of a `Sampler` (temperature, top_k, …), and `side_by_side` contains the settings
    for texts that are written side by side. With the same `seed`, the view draws the same tokens as `generate`. A
    token's surprise is −ln of the model's probability before any setting is applied.

    Raises `ValueError` for an empty prompt, a prompt longer than the model's context, or settings out of range.

    >>> from llmlib.tokenization import CharTokenizer
    >>> from llmlib.transformer import TransformerConfig
    >>> tokenizer = CharTokenizer.train("hello world")
    >>> config = TransformerConfig(tokenizer.vocab_size, max_seq_len=16, d_model=16, n_layers=1, n_heads=2)
    >>> view = explore_sampling(Transformer(config), tokenizer, "hello", settings={"top_k": 3})
    >>> [(stage["name"], stage["kept"]) for stage in view.stages]
    [('model', 8), ('top_k', 3)]
    """
    view = SamplingView(seed=seed)
    controller = _Controller(model, tokenizer, view, settings or {}, side_by_side)
    controller.begin(prompt)
    controller.show()
    for kind in ("take", "step", "back", "go", "reset", "ban", "allow", "seed", "again", "use"):
        view.on_act(kind, getattr(controller, kind), then=controller.show)
    view.on_act("prompt", controller.begin, then=controller.show)
    view.on_act("set", controller.set, then=controller.show)
    view.on_act("follow", controller.follow, then=controller.show)
    view.on_act("draws", controller.draws)
    for kind in ("add", "drop", "race", "clear"):
        view.on_act(kind, getattr(controller, kind), then=controller.show_lanes)
    return view


@dataclass(frozen=True)
class _Text:
    """Holds the user's position: a prompt, the branches after the prompt, and the node where the text ends."""

    prompt: str = ""
    ids: tuple[int, ...] = ()  # ids of the prompt
    tree: Branches = field(default_factory=Branches)
    at: int = PROMPT

    @property
    def written(self) -> tuple[int, ...]:
        return self.tree.ids(self.at)


class _Expected(NamedTuple):
    """Holds the model's predictions for the token after a text, with and without the rules."""

    logits: Float[Tensor, "1 vocab"]
    log_probs: Float[Tensor, " vocab"]  # the model's own, before any settings are applied
    chances: Float[Tensor, " vocab"]  # probabilities under the rules; all 0 if the rules allow no token
    problem: str  # why the rules allow no token, or "" if they allow one


class _Controller:
    """Carries out the user's actions in a `SamplingView`.

    The actions change `text` and `rules`; `show` then updates the view.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        view: SamplingView,
        settings: Settings,
        side_by_side: Sequence[Settings],
    ):
        self.model, self.tokenizer, self.view, self.reader = model, tokenizer, view, LogitsReader(model, view.check)
        self.rules = Rules(end_ids=frozenset({*tokenizer.eos_ids, *model.config.end_ids})).with_settings(settings)
        neutral = self._neutral()
        self.lanes = Lanes(model, [neutral.with_settings(one) for one in side_by_side][:MOST_LANES], view.check)
        self.text = self.shown = self.lanes_after = _Text()  # `lanes_after` is the text that the lanes continue
        self.shown_length = 1  # number of nodes in the tree when it was last shown
        self.texts: dict[str, _Text] = {}  # earlier texts by prompt, the newest last
        self.run, self.interrupts_before = "", 0  # the latest automatic run, and the number of interrupts before it
        self.shown_rules: Rules | None = None
        self.followed: Followed | None = None
        self.counts: Tensor | None = None  # how often each token was drawn, if draws are counted
        self.seed(view.seed)
        # The page sets `writing` as soon as a run begins, but the run's first action may have to wait until a
        # long action ends. An interrupt during this wait must end the run, too.
        view.observe(lambda change: self._begin_run(change.new.get("by", "")), "writing")

    def _neutral(self) -> Rules:
        return Rules(end_ids=self.rules.end_ids)

    # --- the text ---

    def begin(self, text: str) -> None:
        if text == self.text.prompt and self.text.ids:
            self.go(PROMPT)  # this keeps the branches after the prompt
            return
        if text in self.texts:
            self.text = self.texts[text]
            return
        self.text = _Text(text, prompt_ids(self.tokenizer, text, self.model.config.max_seq_len))

    def take(self, id: int) -> None:
        """Append a token that the user has chosen, even if the settings exclude it."""
        self._check_room()
        check_token(id, self.model.config.vocab_size)
        if (known := self.text.tree.child(self.text.at, id)) is None:
            known = self._add(id, self._expected(), "reader")
        self.text = replace(self.text, at=known)

    def step(self, run: str = "") -> None:
        """Choose the next token at random. `run` names a run of automatic writing, or is "" for a single token."""
        self._check_interrupt(run)
        text, rules = self.text, self.rules
        comes = self._comes()
        if comes.ended:
            raise ValueError(ENDINGS[comes.ended] if text.written else NO_TEXT)
        self._check_room()
        expected = self._expected()
        if expected.problem:
            raise ValueError(NOTHING_LEFT)
        id = rules.draw(expected.logits, text.ids + text.written, comes, self.chance)
        self.text = replace(text, at=self._add(id, expected, "chance"))

    def _add(self, id: int, expected: _Expected, way: str) -> int:
        log_prob, chance = expected.log_probs[id].item(), expected.chances[id].item()
        return self.text.tree.add(self.text.at, id, log_prob, chance, way)

    def _check_room(self) -> None:
        n_tokens, most = len(self.text.ids) + len(self.text.written), self.model.config.max_seq_len
        check_room(n_tokens, most, "Go back some tokens, or use a shorter prompt.")

    def back(self) -> None:
        if self.text.at != PROMPT:
            self.text = replace(self.text, at=self.text.tree.nodes[self.text.at].parent)

    def go(self, node: int) -> None:
        if not 0 <= node < len(self.text.tree):
            raise ValueError("This branch no longer exists, because the prompt has changed.")
        self.text = replace(self.text, at=node)

    # --- the rules ---

    def set(self, name: str, value: float | int | None) -> None:
        self.rules = self.rules.with_settings({name: value})

    def reset(self) -> None:
        self.rules = self._neutral()

    def ban(self, id: int) -> None:
        """Ban a token, or allow it again."""
        check_token(id, self.model.config.vocab_size)
        banned = self.rules.banned
        others = tuple(one for one in banned if one != id)
        self.rules = self.rules.with_bans(others if id in banned else (*banned, id))

    def allow(self, pattern: str) -> None:
        """Allow only texts that match a regular expression; an empty expression allows every text."""
        constraint = Constraint.regex(pattern, self.tokenizer) if pattern else None
        self.rules = replace(self.rules, pattern=pattern, constraint=constraint)

    def seed(self, value: float | int) -> None:
        self.view.seed = checked_seed(value)
        self.chance = torch.Generator().manual_seed(self.view.seed)
        self.counts = None

    def again(self) -> None:
        """Go back to the prompt, and restart the random draws from the seed."""
        self.seed(self.view.seed)
        self.go(PROMPT)

    # --- what is shown ---

    def _expected(self) -> _Expected:
        """Compute the predictions after the text. If this fails, go back to the text that was shown last."""
        ids = self.text.ids + self.text.written
        with undoing(self._take_back), noticing_training(self.model, self.view.remark):
            logits = self.reader.logits(ids)
        try:
            chances, problem = self.rules.probabilities(logits, ids, self._comes()), ""
        except ValueError as error:
            said = str(error)
            for name, here in IN_THE_VIEW.items():
                said = said.replace(name, here)
            chances, problem = torch.zeros_like(logits[0]), f"{said} {self._advice()}"
        return _Expected(logits, logits[0].log_softmax(-1), chances, problem)

    def _take_back(self) -> None:
        self.text = self.shown
        self.text.tree.cut(self.shown_length)
        self.followed = None  # the tree's nodes may have changed

    def _comes(self) -> Continuation:
        """Return a `Continuation`, which says which tokens may come next."""
        rules, tree = self.rules, self.text.tree
        if self.followed is None or self.followed.rules is not rules or self.followed.tree is not tree:
            self.followed = Followed(rules, tree)
        return self.followed.at(self.text.at)

    def show(self) -> None:
        expected, view, text, rules = self._expected(), self.view, self.text, self.rules
        comes = self._comes()
        stages = [(name, one.numpy()) for name, one in rules.stages(expected.logits, text.ids + text.written, comes)]
        moved = (text.tree, text.at, rules) != (self.shown.tree, self.shown.at, self.shown_rules)
        with view.hold_sync():
            view.prompt, view.prompt_tokens, view.context = text.prompt, len(text.ids), self.model.config.max_seq_len
            view.settings, view.banned, view.pattern = settings_of(rules.sampler), list(rules.banned), rules.pattern
            view.ended = comes.ended
            view.problem = "" if view.ended else expected.problem  # a text that has ended needs no further token
            if text.tree is not self.shown.tree:
                view.words = {}
            draws = view.draws
            bans = rules.banned[-MOST_BANS:]
            view.put_stages(stages, self._words([*self._worth(stages), *rules.banned]), bans)
            view.learn(self._words(node.id for node in text.tree.nodes[1:]))
            view.tree, view.at = text.tree.pack(), text.at
            if self.counts is not None and not moved:
                view.draws = draws
            else:
                self.counts = None
        self.shown, self.shown_length, self.shown_rules = text, len(text.tree), rules
        self.texts = {**{of: one for of, one in self.texts.items() if of != text.prompt}, text.prompt: text}
        if len(self.texts) > MOST_TEXTS:
            del self.texts[next(iter(self.texts))]
        self.show_lanes()

    def _worth(self, stages: list[tuple[str, np.ndarray]]) -> list[int]:
        return [token["id"] for token in compare(stages)[0]]

    def _words(self, ids: Any) -> dict[int, str]:
        new = sorted({id for id in ids if str(id) not in self.view.words})
        return dict(zip(new, token_texts(self.tokenizer, new)))

    def _advice(self) -> str:
        if self._comes().is_hopeless:
            return "The text so far already breaks the pattern: go back to the prompt, or change the pattern."
        if self.rules.pattern:
            return "Go back, change the pattern, or allow a banned token again."
        return "Allow a banned token again, or reset all settings."

    def draws(self, times: int) -> None:
        """Draw the next token many times, just to count how often each token is drawn."""
        total = times + (0 if self.counts is None else int(self.counts.sum()))
        if times < 1 or total > MOST_DRAWS:
            raise ValueError(f"The number of draws must be between 1 and {MOST_DRAWS:,}; got {total:,}.")
        expected = self._expected()
        if expected.problem:
            raise ValueError(NOTHING_LEFT)
        chances = expected.chances
        if self.counts is None:
            self.counts, self.counting = torch.zeros(len(chances), dtype=torch.long), torch.Generator()
            self.counting.manual_seed(self.view.seed)
        drawn = torch.multinomial(chances, times, replacement=True, generator=self.counting)
        self.counts += torch.bincount(drawn, minlength=len(chances))
        shown = self.counts[[token["id"] for token in self.view.tokens]]
        self.view.draws = {"n": total, "counts": shown.tolist(), "rest": total - int(shown.sum())}

    # --- interrupts of the kernel ---

    def _check_interrupt(self, run: str) -> None:
        """Refuse to keep writing automatically if the kernel was interrupted after this run began."""
        if not run:  # the user has asked for a single token
            return
        self._begin_run(run)
        if interrupts() > self.interrupts_before:
            raise ValueError("You interrupted the kernel, so nothing more was written.")

    def _begin_run(self, run: str) -> None:
        if run and run != self.run:
            self.run, self.interrupts_before = run, interrupts()

    # --- side by side ---

    def add(self) -> None:
        """Add a text next to the other texts, with the current settings."""
        if len(self.lanes.lanes) >= MOST_LANES:
            raise ValueError(f"At most {MOST_LANES} texts fit side by side. Remove a text first.")
        self.lanes.add(self.rules)

    def drop(self, lane: int) -> None:
        self._lane(lane)
        self.lanes.drop(lane)

    def use(self, lane: int) -> None:
        """Use the settings of a lane."""
        self.rules = self._lane(lane).rules

    def clear(self) -> None:
        self.lanes = Lanes(self.model, [lane.rules for lane in self.lanes.lanes], self.view.check)

    def race(self, run: str = "") -> None:
        """Write one more token in each lane, after the current text."""
        self._check_interrupt(run)
        if not self.lanes.lanes:
            raise ValueError("There are no settings to compare yet. Add the current settings.")
        text, lanes = self.text, self.lanes
        if not lanes.begun or lanes.start != text.ids + text.written or lanes.written != len(text.written):
            lanes.begin(text.ids, text.written, self.view.seed)
            self.lanes_after = text
        lanes.step()

    def follow(self, lane: int, length: int) -> None:
        """Go to a token in a lane, so that the lane's text up to this token becomes a branch."""
        one, text = self._lane(lane), self.lanes_after
        if not 0 < length <= len(one.ids) or text.tree is not self.text.tree:
            raise ValueError("This text continues a different prompt. Start over.")
        at = text.at
        for id, log_prob, chance in list(zip(one.ids, one.log_probs, one.chances))[:length]:
            at = text.tree.add(at, id, log_prob, chance, "side by side")
        self.text = replace(text, at=at)

    def _lane(self, lane: int) -> Any:
        if not 0 <= lane < len(self.lanes.lanes):
            raise ValueError("These settings no longer exist.")
        return self.lanes.lanes[lane]

    def show_lanes(self) -> None:
        lanes, view = self.lanes.lanes, self.view
        with view.hold_sync():
            view.learn(
                self._words(
                    [*(id for lane in lanes for id in lane.ids), *(b for lane in lanes for b in lane.rules.banned)]
                )
            )
            view.lanes = [
                {
                    **lane.rules.shown(),
                    "ids": list(lane.ids),
                    "ended": lane.ended,
                    "log_probs": [round(log_prob, 4) for log_prob in lane.log_probs],
                }
                for lane in lanes
            ]
