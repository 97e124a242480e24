"""Let a model answer multiple-choice questions by comparing the probabilities that it gives to the choices."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.evaluation.questions import Prompt, Question, QuestionError
from llmlib.preferences.responses import encode_apart
from llmlib.sampling.logits import log_prob
from llmlib.sampling.prefix_cache import PrefixCache, common_length
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Cache, Transformer

By = Literal["raw", "per token", "per byte", "against baseline"]
WAYS: tuple[By, ...] = ("raw", "per token", "per byte", "against baseline")
BASELINE = "Answer:"
ROOM = 64  # a later prompt may be up to this many tokens longer than the first before we need a larger cache
# Limits on what one pass through the model reads together:
SHORT = 64  # prompts with more than this many tokens after their common prefix are not grouped: that would save no time
ROWS, PLACES = 64, 4096  # at most this many choices, and this many positions in all rows together, to limit memory

Asked = tuple[Sequence[int], Sequence[Sequence[int]]]  # a prompt and its choices, as ids


@dataclass(frozen=True)
class ChoiceScores:
    """Holds the log-probability of each choice of a question (ln p of the whole choice, in nats) and its length."""

    log_probs: np.ndarray  # Float[choice]: ln p(choice | prompt), summed over its tokens
    tokens: np.ndarray  # Int[choice]
    n_bytes: np.ndarray  # Int[choice]: number of bytes in the choice, without the space before it
    baseline: np.ndarray  # Float[choice]: ln p(choice | baseline), or NaN if there was no baseline
    right: int  # the index of the right choice

    def by(self, way: By = "raw") -> np.ndarray:
        """Return one score per choice, computed in the given way.

        "raw" is ln p, which prefers short choices. "per token" and "per byte" divide by the length, which corrects this
        preference, and sometimes overcorrects it. "against baseline" subtracts ln p(choice | baseline), the choice's
        log-probability without the question. The result says how much more likely the question makes the choice, and it
        removes the model's preference for common words (Holtzman et al., 2021, "Surface Form Competition"). lm-eval
        calls "raw" acc, "per byte" acc_norm (which divides by characters; for ASCII, this is the same), and "against
        baseline" acc_mutual_info; lm-eval has no name for "per token". Raises `ValueError` for any other `way`, or if
        the baseline was not measured.
        """
        if way not in WAYS:
            raise ValueError(f"way must be one of {', '.join(map(repr, WAYS))}, got {way!r}.")
        if way == "against baseline":
            if np.isnan(self.baseline).any():
                raise ValueError("The baseline was not measured. Call choice_scores with baseline='Answer:'.")
            return self.log_probs - self.baseline
        return self.log_probs / {"raw": 1, "per token": self.tokens, "per byte": self.n_bytes}[way]

    def chosen(self, way: By = "raw") -> int:
        """Return the index of the choice with the highest score (the first such choice, if several choices tie)."""
        return int(self.by(way).argmax())

    def is_right(self, way: By = "raw") -> bool:
        return self.chosen(way) == self.right

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return the probability of each choice if one of them must be chosen, as the softmax of ln p / temperature."""
        scaled = (self.log_probs - self.log_probs.max()) / temperature
        return np.exp(scaled) / np.exp(scaled).sum()


def choice_scores(
    model: Transformer, tokenizer: Tokenizer, questions: Iterable[Question], baseline: str | None = BASELINE
) -> list[ChoiceScores]:
    """Score the choices of each question by their log-likelihood after the prompt.

    A choice follows its prompt after a space, or after the white space at the end of the prompt; if the prompt is a
    conversation, the choice is the assistant's whole answer, with the token that ends it. `baseline` is a text that
    replaces the prompt, for comparison; None skips the comparison, which saves time. Raises `QuestionError` for a
    question without choices, or if one choice begins with all the tokens of another, because then the longer choice
    could never be more likely.

    >>> from llmlib.pretrained import load_pretrained
    >>> model, tokenizer = load_pretrained("tinytales", dtype="float32")
    >>> found = choice_scores(model, tokenizer, [Question("Once upon a", ("time", "rusty gate"), "time")])
    >>> found[0].is_right()
    True
    """
    return Chooser(model, tokenizer, baseline).all_scores(questions)


class Chooser:
    """Scores the answer choices of questions. A prefix shared by successive prompts is read once, even across calls."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, baseline: str | None = BASELINE):
        self.model, self.tokenizer, self.baseline = model, tokenizer, baseline
        self._prompts, self._instead = PrefixCache(model, ROOM), PrefixCache(model, ROOM)

    def scores(self, question: Question) -> ChoiceScores:
        """Score a question's choices. Raises the same errors as `choice_scores`."""
        return self.all_scores([question])[0]

    def all_scores(self, questions: Iterable[Question]) -> list[ChoiceScores]:
        """Score the choices of several questions, with many choices in each pass.

        Raises the same errors as `choice_scores`.
        """
        questions = list(questions)
        remaining = iter(questions)
        return [
            scores
            for group in in_groups(self.model, [self._encoded(question) for question in questions])
            for scores in self._group_scores(list(islice(remaining, len(group))), group)
        ]

    def _group_scores(self, questions: Sequence[Question], group: Sequence[Asked]) -> Iterable[ChoiceScores]:
        found = group_log_likelihoods(self.model, group, self._prompts)
        baselines = self._baselines_of(questions)
        for question, (_, choices), (log_probs, _), baseline in zip(questions, group, found, baselines):
            n_tokens = np.array(list(map(len, choices)))
            n_bytes = np.array([len(choice.encode()) for choice in question.choices])
            yield ChoiceScores(log_probs, n_tokens, n_bytes, baseline, question.right_number)

    def _baselines_of(self, questions: Sequence[Question]) -> list[np.ndarray]:
        if self.baseline is None:
            return [np.full(len(question.choices), np.nan) for question in questions]
        prompts = [_in_place_of(question.prompt, self.baseline) for question in questions]
        asked = [encode_choices(self.tokenizer, prompt, each.choices) for prompt, each in zip(prompts, questions)]
        groups = in_groups(self.model, asked)
        return [found for group in groups for found, _ in group_log_likelihoods(self.model, group, self._instead)]

    def _encoded(self, question: Question) -> Asked:
        if not question.choices:
            raise QuestionError(f"The question {question.prompt!r} has no choices; it needs a written answer.")
        prompt, choices = encode_choices(self.tokenizer, question.prompt, question.choices)
        refuse_beginnings(question.choices, choices)
        return prompt, choices


def log_likelihoods(
    model: Transformer, prompt: Sequence[int], choices: Sequence[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return ln p of each choice after the prompt, and whether greedy decoding would write that choice.

    The prompt and the choices are given as ids. The prompt is read once for all choices. Raises `ValueError` for a
    prompt or a choice without ids.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> log_likelihoods(model, [1, 2], [[3], [4, 5]])[0].shape
    (2,)
    """
    return group_log_likelihoods(model, [(prompt, choices)], PrefixCache(model, room=0))[0]


def in_groups(model: Transformer, asked: Sequence[Asked]) -> list[list[Asked]]:
    """Split a list of prompts into groups that a model reads faster than the same prompts one by one.

    Each pass through the model reads all the weights, even if there are only a few tokens. So neighbouring prompts are
    grouped if they differ only in a few tokens at the end. A model with hooks reads each prompt separately, since a
    hook may need to see each prompt from its first token; so does a model with a sliding window, because padding would
    take up part of the window.
    """
    groups: list[list[Asked]] = []
    alone = bool(model.config.sliding_window) or _has_hooks(model)
    for each in asked:
        if groups and not alone and _fits([*groups[-1], each], model.config.max_seq_len):
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _fits(group: Sequence[Asked], context: int) -> bool:
    """Return whether a group can be read together: it must fit the context, and need little memory and padding."""
    longest, width = max(len(prompt) for prompt, _ in group), _longest_choice(group)
    rows = sum(len(choices) for _, choices in group)
    differ = longest - _begin_alike([prompt for prompt, _ in group])
    places = longest + width - 1
    return differ <= SHORT and rows <= ROWS and rows * places <= PLACES and places <= context


def _begin_alike(prompts: Sequence[Sequence[int]]) -> int:
    """Return the length of the prompts' common prefix, which ends before the last token of every prompt."""
    return min(min(common_length(prompts[0], prompt), len(prompt) - 1) for prompt in prompts)


def _longest_choice(group: Sequence[Asked]) -> int:
    return max(len(choice) for _, choices in group for choice in choices)


@torch.inference_mode()
def group_log_likelihoods(
    model: Transformer, group: Sequence[Asked], read: PrefixCache
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the results of `log_likelihoods` for each prompt and its choices, from shared passes through the model.

    `read` is a cache. At first it holds an earlier prompt; afterwards it holds the prefix that these prompts share
    (with only one prompt, the whole prompt). Raises `ValueError` for the same reasons as `log_likelihoods`.
    """
    if not all(len(prompt) and len(choices) and all(map(len, choices)) for prompt, choices in group):
        raise ValueError("A prompt and each of its choices need at least one token.")
    width, counts = _longest_choice(group), [len(choices) for _, choices in group]
    choices = [choice for _, several in group for choice in several]
    ids = torch.tensor([[*choice, *[0] * (width - len(choice))] for choice in choices], device=model.device)
    real = torch.arange(width) < torch.tensor(list(map(len, choices)))[:, None]  # Bool[Tensor, "choice token"]
    of = torch.arange(len(group)).repeat_interleave(torch.tensor(counts))  # Int[Tensor, "choice"]: prompt index
    logits, cache = _read_prompts(model, [prompt for prompt, _ in group], width - 1, read)
    log_probs, greedy = _judged(logits[of], ids[:, :1], real[:, :1])
    longer = real.sum(dim=1).gt(1).nonzero()[:, 0]  # choices with more than one token
    if len(longer):
        logits = model(ids[longer, :-1], cache=_with_rows(cache, of[longer], cache.length + width - 1))
        further, too = _judged(logits, ids[longer, 1:], real[longer, 1:])
        log_probs[longer] += further
        greedy[longer] &= too
    return [(ln_p.numpy(), written.numpy()) for ln_p, written in zip(log_probs.split(counts), greedy.split(counts))]


def _judged(
    logits: Float[Tensor, "choice token vocab"], ids: Int[Tensor, "choice token"], real: Bool[Tensor, "choice token"]
) -> tuple[Float[Tensor, " choice"], Bool[Tensor, " choice"]]:
    """Return each choice's ln p, summed over its real tokens, and whether all of these are the most likely tokens."""
    log_probs = log_prob(logits, ids).cpu().where(real, 0.0).double().sum(dim=1)
    return log_probs, ((logits.argmax(dim=-1) == ids).cpu() | ~real).all(dim=1)


def _read_prompts(
    model: Transformer, prompts: Sequence[Sequence[int]], room: int, read: PrefixCache
) -> tuple[Float[Tensor, "prompt 1 vocab"], Cache]:
    """Return the logits after each prompt, and a cache with a row for each prompt and room for `room` more tokens."""
    if _has_hooks(model):
        read = PrefixCache(model, room=0)
    first, longest, begin = prompts[0], max(map(len, prompts)), _begin_alike(prompts)
    known = read.keep([*first[:begin], *[0] * (longest - begin + room)], begin)
    if len(prompts) == 1:
        logits = model(torch.tensor([list(first[known:])], device=model.device), cache=read.cache, last_only=True)
        read.ids = tuple(first)
        return logits, read.cache
    if known < begin:
        model(torch.tensor([list(first[known:begin])], device=model.device), cache=read.cache, last_only=True)
        read.ids = tuple(first[:begin])
    pad = [longest - len(prompt) for prompt in prompts]  # pad on the left, so that all prompts end together
    ids = torch.tensor([[*[0] * n, *prompt[begin:]] for n, prompt in zip(pad, prompts)], device=model.device)
    real = torch.arange(longest - begin) >= torch.tensor(pad)[:, None]
    cache = _with_rows(read.cache, torch.zeros(len(prompts), dtype=torch.long), longest + room)
    return model(ids, cache=cache, attention_mask=real.to(model.device), last_only=True), cache


def _with_rows(cache: Cache, rows: Int[Tensor, " row"], places: int) -> Cache:
    """Return a copy of these rows of a cache, with room for `places` tokens in all; the cache does not change."""
    taken = copy.copy(cache)
    taken.max_seq_len, taken.real = places, cache.real[:, :places]
    taken.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in taken.layers:
        layer.keys, layer.values = layer.keys[:, :, :places], layer.values[:, :, :places]
    taken.reorder(rows.to(cache.real.device))
    return taken


def _has_hooks(model: Transformer) -> bool:
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def encode_choices(tokenizer: Tokenizer, prompt: Prompt, choices: Sequence[str]) -> tuple[list[int], list[list[int]]]:
    """Return the ids of a prompt, and the ids of each choice after it.

    White space at the end of a prompt is moved to the choice, because a token usually includes the space before a word.
    If the prompt does not end with white space, we insert one space. (lm-eval does the same.)
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
    """Raise `QuestionError` if the ids of one choice begin with all the ids of another.

    The longer choice could never be more likely.
    """
    for short, ids in zip(texts, choices):
        for long, others in zip(texts, choices):
            if short is not long and list(others[: len(ids)]) == list(ids):
                raise QuestionError(
                    f"The choices {short!r} and {long!r} begin the same way. The second begins with all the tokens "
                    "of the first, so it can never be more likely. End both in the same way, for example with a full "
                    "stop."
                )


def _in_place_of(prompt: Prompt, baseline: str) -> Prompt:
    return baseline if isinstance(prompt, str) else [{"role": "user", "content": baseline}]
