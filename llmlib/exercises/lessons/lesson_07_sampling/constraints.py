"""Exercises for lesson 07 on automata: which tokens may come next, and when the text may end."""

import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.lessons.lesson_07_sampling.faulty_constraints import faulty_allowed, faulty_constrained

TEXTS = texts_of(Path(__file__).parent)


# --- sampling.allowed_tokens ---


def allowed_tokens(moves, state, tokens):
    """Return the ids of the tokens that the automaton can follow, byte by byte, from this state."""
    allowed = []
    for id, token in enumerate(tokens):
        at = state
        for byte in token:
            at = moves[at].get(byte) if at is not None else None
        if token and at is not None:
            allowed.append(id)
    return allowed


def automaton_of(texts):
    """Build the prefix tree of the texts as an automaton. Each state has a dictionary from bytes to next states."""
    moves: list[dict[int, int]] = [{}]
    for text in texts:
        state = 0
        for byte in text.encode():
            if byte not in moves[state]:
                moves[state][byte] = len(moves)
                moves.append({})
            state = moves[state][byte]
    return moves


def cases_allowed(seed):
    chance = random.Random(seed)
    answers = automaton_of(["yes", "no", "nobody"])  # its states: 1 after y, 2 after ye, 3 after yes, 4 after n, …
    parts = [b"y", b"yes", b"", b"n", b"nod", b"no", b"body", b"es", b"x", b"yex", b"bo", b"oby", b"sey"]
    number = [
        {45: 1, **dict.fromkeys(b"123456789", 2)},
        dict.fromkeys(b"123456789", 2),
        dict.fromkeys(b"0123456789", 2),
    ]
    digits = [b"-", b"1", b"0", b"-1", b"10", b"-0", b"1-", b"--", b"05", b"", b"7a", b"98765"]
    shuffled = parts * 2
    chance.shuffle(shuffled)
    word = "".join(chance.choice("ab") for _ in range(6))
    pieces = [bytes(chance.choice(b"abc") for _ in range(chance.randrange(4))) for _ in range(12)]
    return [
        Case((answers, 0, [b"y", b"yes", b"x", b"nod", b""])),
        Case((answers, 0, shuffled), "each token occurs twice"),
        Case((answers, 4, parts), "in the middle of an answer"),
        Case((answers, 2, parts), "one byte before the end"),
        Case((number, 0, digits), "a whole number"),
        Case((number, 2, digits), "a state that leads to itself"),
        Case((answers, 3, parts), "at the end, where nothing follows"),
        Case(([{97: 0, 98: 1}, {}], 0, [b"a", b"aab", b"ba", b"b"]), "a byte that leads back to state 0"),
        Case(
            (automaton_of(["é", "è!", "e"]), 0, ["é".encode(), "é".encode()[:1], b"e", "è".encode(), b"!", b"\xa9"]),
            "two-byte characters",
        ),
        Case((automaton_of([word, word[::-1], "abba"]), 0, [*pieces, word.encode()])),
    ]


ALLOWED_TOKENS = Exercise(
    **TEXTS["allowed_tokens"], reference=allowed_tokens, cases=cases_allowed, faulty=faulty_allowed, double=False
)


# --- sampling.constrained ---


def constrained(logits_after, moves, ends, tokens, end, most):
    """Keep adding the likeliest allowed token until it is the end token or there are `most` ids. Return the ids."""
    state, ids = 0, list[int]()
    while len(ids) < most:
        allowed = allowed_tokens(moves, state, tokens)
        if state in ends:
            allowed.append(end)
        logits = logits_after(ids)
        best = max(allowed, key=lambda id: logits[id].item())
        if best == end:
            break
        ids.append(best)
        for byte in tokens[best]:
            state = moves[state][byte]
    return ids


@dataclass(frozen=True)
class LogitsAfter:
    """A model whose logits depend on all ids so far and on their order; each new id makes the end token likelier."""

    vocab_size: int
    end: int
    seed: int
    patience: float = 2.0  # how far the end token's logit is lowered at first
    level: float = 0.0  # added to all logits: a mask must not depend on it

    def __call__(self, ids):
        mood = sum((place + 1.7) * (int(id) + 1) for place, id in enumerate(ids)) + self.seed
        logits = torch.tensor([3 * math.sin(mood * (id + 1.3)) for id in range(self.vocab_size)])
        logits[self.end] += len(ids) - self.patience
        return logits + self.level


def ends_of(texts):
    """Return the states of `automaton_of(texts)` where a text ends."""
    moves, ends = automaton_of(texts), set()
    for text in texts:
        state = 0
        for byte in text.encode():
            state = moves[state][byte]
        ends.add(state)
    return ends


def cases_constrained(seed):
    texts = ["no", "nobody", "yes", "yesterday"]
    moves, ends = automaton_of(texts), ends_of(texts)
    words = [b"y", b"yes", b"", b"n", b"o", b"no", b"body", b"e", b"s", b"x", b"bo", b"dy", b"ter", b"day", b""]
    digits = dict.fromkeys(b"0123456789", 1)
    number = [{45: 2, **digits}, digits, digits]  # an optional sign and at least one digit
    parts = [b"", b"-", b"7", b"0", b"42", b"-1", b"1-", b"2024"]
    letters = [{97: 1}, {97: 0, 98: 1}]  # the text may end in state 0, and later bytes can lead back to it

    def case(automaton, tokens, end, note, wanted, most=12, patience=2.0, level=0.0):
        """Try one model after another for this seed, and make a case with the first whose text passes `wanted`."""
        for number in range(3000 * seed + 1, 3000 * (seed + 1)):
            model = LogitsAfter(len(tokens), end, number, patience, level)
            args = (model, *automaton, tokens, end, most)
            if apart(args) and wanted(b"".join(tokens[id] for id in constrained(*args)), args):
                return Case(args, note)
        raise AssertionError(note)

    def apart(args):
        """Return whether all logits differ, as the task does not say which of two equally likely tokens comes first."""
        model, ids = args[0], constrained(*args)
        asked = [model(ids[:n]).sort().values for n in range(len(ids) + 1)]
        return all(float(logits.diff().min()) > 1e-3 for logits in asked)

    def limited(text, args):
        model, moves, ends, tokens, end, most = args
        longer = constrained(model, moves, ends, tokens, end, 40)
        wants = [int(model(longer[:n]).argmax()) for n in range(most + 1)]  # the model's own choices, without a mask
        return len(constrained(*args)) == most < len(longer) and wants == longer[: most + 1]

    def forbidden(args):
        """Return whether, at the start, the likeliest token is neither allowed nor the end token."""
        model, moves, _, tokens, end, _ = args
        best = int(model([]).argmax())
        return best != end and best not in allowed_tokens(moves, 0, tokens)

    def ends_at_an_unlikely_end(text, args):
        """Return whether the text is "no", and ends although another token is likelier than the end token."""
        model, _, _, _, end, _ = args
        return text == b"no" and int(model(constrained(*args)).argmax()) != end

    def goes_on_at_a_likely_end(text, args):
        """Return whether the text continues although the end token is likely from the start."""
        return bool(text) and bool(args[0]([])[2] > 0.5)

    answers, numbers, ab = (moves, ends), (number, {1}), (letters, {0})
    small, pairs = [b"no", b"yes", b"body", b"terday", b""], [b"a", b"b", b"", b"ab", b"ba", b"aa"]
    return [
        case(answers, small, 4, "the text ends, but could continue", ends_at_an_unlikely_end, patience=0.0),
        case(answers, small, 4, "the text continues, but could end", lambda text, args: text == b"nobody"),
        case(answers, words, 14, "several ways to write a text", lambda text, args: text == b"yes" and forbidden(args)),
        case(answers, words, 14, "nothing can follow", lambda text, args: text == b"yesterday", patience=6.0),
        case(numbers, parts, 0, "a whole number", lambda text, args: len(text) > 3, level=-20.0),
        case(numbers, parts, 0, "the limit is reached before the end", limited, most=3, patience=9.0, level=9.0),
        case(ab, pairs, 2, "an empty text is allowed", lambda text, args: not text, patience=-1.0),
        case(ab, pairs, 2, "a state that leads back to an earlier one", lambda text, args: len(text) > 5, patience=5.0),
        case(ab, pairs, 2, "the end is likely, but another token is likelier", goes_on_at_a_likely_end, patience=-1.0),
        case(
            numbers,
            parts,
            0,
            "the model wants to end at once",
            lambda text, args: len(text) > 1,
            patience=-4.0,
            level=-9.0,
        ),
    ]


def ends_where_it_may(call, case):
    _, moves, ends, tokens, _, most = case.args
    ids = call(*case.args)
    state = 0
    for place, id in enumerate(ids):
        for byte in tokens[id]:
            if byte not in moves[state]:
                return f"The automaton has no path for token {id} at position {place} of your text."
            state = moves[state][byte]
    if state in ends or len(ids) == most:
        return None
    return "One of your texts ends before the limit, in a state where no text may end."


CONSTRAINED = Exercise(
    **TEXTS["constrained"],
    reference=constrained,
    helpers=(allowed_tokens,),
    cases=cases_constrained,
    faulty=faulty_constrained,
    probes=(Probe("A text ends only where it may end, or at the limit.", ends_where_it_may),),
    double=False,
)
