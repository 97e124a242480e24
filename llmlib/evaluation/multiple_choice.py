"""Let a model choose among answers by how likely it finds each one."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from llmlib.evaluation.questions import Prompt, Question, QuestionError
from llmlib.preferences.responses import encode_apart
from llmlib.sampling.logits import log_prob
from llmlib.sampling.prefix_cache import PrefixCache
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Cache, Transformer

By = Literal["raw", "per token", "per byte", "against baseline"]
WAYS: tuple[By, ...] = ("raw", "per token", "per byte", "against baseline")
BASELINE = "Answer:"
ROOM = 64  # tokens by which a prompt may be longer than the first, before a larger cache is made


@dataclass(frozen=True)
class ChoiceScores:
    """How likely a model finds each choice of a question: ln p of the whole choice, in nats, and what to divide by."""

    log_probs: np.ndarray  # Float[choice]: ln p(choice | prompt), summed over its tokens
    tokens: np.ndarray  # Int[choice]
    n_bytes: np.ndarray  # Int[choice]: of the choice alone, without the space before it
    baseline: np.ndarray  # Float[choice]: ln p(choice | baseline), or NaN if there was no baseline
    right: int  # the place of the right choice

    def by(self, way: By = "raw") -> np.ndarray:
        """Return one score per choice.

        "raw": ln p, which prefers short choices. "per token" and "per byte" divide by the length, which makes up for
        that, and sometimes overdoes it. "against baseline" subtracts ln p(choice | baseline), the choice's log-
        probability where nothing was asked: how much more likely does the question make it? That removes a liking for
        common words (Holtzman et al., 2021, "Surface Form Competition"). lm-eval calls these acc, (no name), acc_norm
        (it divides by characters; the same for ASCII) and acc_mutual_info. Raises `ValueError` for another way, and for
        a baseline that was not measured.
        """
        if way not in WAYS:
            raise ValueError(f"by must be one of {', '.join(map(repr, WAYS))}, got {way!r}.")
        if way == "against baseline":
            if np.isnan(self.baseline).any():
                raise ValueError("The baseline was not measured. Call choice_scores with baseline='Answer:'.")
            return self.log_probs - self.baseline
        return self.log_probs / {"raw": 1, "per token": self.tokens, "per byte": self.n_bytes}[way]

    def chosen(self, way: By = "raw") -> int:
        """Return the place of the choice with the highest score (the first, if several are equal)."""
        return int(self.by(way).argmax())

    def is_right(self, way: By = "raw") -> bool:
        return self.chosen(way) == self.right

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return how the model's probability is shared among the choices: the softmax of ln p / temperature."""
        scaled = (self.log_probs - self.log_probs.max()) / temperature
        return np.exp(scaled) / np.exp(scaled).sum()


def choice_scores(
    model: Transformer, tokenizer: Tokenizer, questions: Iterable[Question], baseline: str | None = BASELINE
) -> list[ChoiceScores]:
    """Score each question's choices by their log-likelihood after its prompt.

    A choice follows its prompt after a space (the prompt's own white space at the end, if it has some); if the prompt
    is a conversation, the choice is the assistant's whole answer, with the token that ends it. `baseline` is the text
    in the prompt's place to compare with; None saves that time. Raises `QuestionError` for a question without choices,
    and where one choice's tokens begin another's: the longer one could never be more likely.

    >>> from llmlib.pretrained import load_pretrained
    >>> model, tokenizer = load_pretrained("tinytales", dtype="float32")
    >>> found = choice_scores(model, tokenizer, [Question("Once upon a", ("time", "rusty gate"), "time")])
    >>> found[0].is_right()
    True
    """
    chooser = Chooser(model, tokenizer, baseline)
    return [chooser.scores(question) for question in questions]


class Chooser:
    """Scores the choices of one question after the other, and reads what several prompts begin with only once."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, baseline: str | None = BASELINE):
        self.model, self.tokenizer, self.baseline = model, tokenizer, baseline
        self._prompts, self._baselines = PrefixCache(model, ROOM), PrefixCache(model, ROOM)

    def scores(self, question: Question) -> ChoiceScores:
        """Score a question's choices. Raises as `choice_scores` does."""
        if not question.choices:
            raise QuestionError(f"The question {question.prompt!r} has no choices; it has to be answered in writing.")
        prompt, choices = encode_choices(self.tokenizer, question.prompt, question.choices)
        refuse_beginnings(question.choices, choices)
        log_probs, _ = log_likelihoods(self.model, prompt, choices, self._prompts)
        unconditional = np.full(len(choices), np.nan)
        if self.baseline is not None:
            instead = _in_place_of(question.prompt, self.baseline)
            without, same = encode_choices(self.tokenizer, instead, question.choices)
            unconditional, _ = log_likelihoods(self.model, without, same, self._baselines)
        n_tokens = np.array(list(map(len, choices)))
        n_bytes = np.array([len(choice.encode()) for choice in question.choices])
        return ChoiceScores(log_probs, n_tokens, n_bytes, unconditional, question.right_number)


def log_likelihoods(
    model: Transformer, prompt: Sequence[int], choices: Sequence[Sequence[int]], read: PrefixCache | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return ln p of each choice after the prompt (all as ids), and whether it is what the model would write greedily.

    The prompt is read once for all choices. `read` holds the prompt before, and then this one; a model with hooks reads
    each whole, since a hook may want to see it. Raises `ValueError` for a prompt or a choice without ids.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> log_likelihoods(model, [1, 2], [[3], [4, 5]])[0].shape
    (2,)
    """
    if not len(prompt) or not len(choices) or not all(map(len, choices)):
        raise ValueError("A prompt and each of its choices need at least one token.")
    width = max(map(len, choices))
    ids = torch.tensor([[*choice, *[0] * (width - len(choice))] for choice in choices], device=model.device)
    real = torch.arange(width) < torch.tensor(list(map(len, choices)))[:, None]  # Bool[Tensor, "choice token"]
    if read is None or any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        read = PrefixCache(model, room=0)
    with torch.inference_mode():
        known = read.keep([*prompt, *[0] * (width - 1)], len(prompt) - 1)
        logits = model(torch.tensor([list(prompt[known:])], device=model.device), cache=read.cache, last_only=True)
        read.ids = tuple(prompt)
        logits = logits.expand(len(ids), -1, -1)
        if width > 1:
            logits = torch.cat((logits, model(ids[:, :-1], cache=_repeated(read.cache, len(ids)))), dim=1)
        log_probs = log_prob(logits, ids).cpu().where(real, 0.0).double().sum(dim=1)
        greedy = ((logits.argmax(dim=-1) == ids).cpu() | ~real).all(dim=1)
    return log_probs.numpy(), greedy.numpy()


def _repeated(cache: Cache, times: int) -> Cache:
    """Return a cache with the same text in each row; the first stays as it is."""
    several = copy.copy(cache)
    several.layers = [copy.copy(layer) for layer in cache.layers]
    several.reorder(torch.zeros(times, dtype=torch.long, device=cache.real.device))
    return several


def encode_choices(tokenizer: Tokenizer, prompt: Prompt, choices: Sequence[str]) -> tuple[list[int], list[list[int]]]:
    """Return the ids of a prompt, and those of each choice after it.

    White space at the end of a prompt moves to the choice, because tokens usually begin with their space; without any,
    there is one space between. (lm-eval does the same.)
    """
    if not isinstance(prompt, str):
        both = [encode_apart(tokenizer, prompt, choice) for choice in choices]
        return both[0][0], [answer for _, answer in both]
    stem = prompt.rstrip()
    space = prompt[len(stem) :] or " "
    begin = [tokenizer.bos_id] if tokenizer.adds_bos and tokenizer.bos_id is not None else []
    ids = [list(tokenizer.encode_each([*begin, stem, space + choice])) for choice in choices]
    return [id for part in ids[0][:-1] for id in part], [parts[-1] for parts in ids]


def refuse_beginnings(texts: Sequence[str], choices: Sequence[Sequence[int]]) -> None:
    """Raise `QuestionError` if one choice's ids begin another's: its log-likelihood could then never be the lower."""
    for short, ids in zip(texts, choices):
        for long, others in zip(texts, choices):
            if short is not long and list(others[: len(ids)]) == list(ids):
                raise QuestionError(
                    f"The choices {short!r} and {long!r} begin alike: all tokens of the first also begin the second, "
                    "so the second can never be more likely. End both in the same way, for example with a full stop."
                )


def _in_place_of(prompt: Prompt, baseline: str) -> Prompt:
    return baseline if isinstance(prompt, str) else [{"role": "user", "content": baseline}]
