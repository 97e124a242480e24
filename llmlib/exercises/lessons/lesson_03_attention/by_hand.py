"""Exercises for lesson 03 that need no trained weights: a head made by hand, and the angles of rotary positions."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

from llmlib import embeddings
from llmlib.exercises.engine.describing import distinctly, number
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.lessons.lesson_03_attention.faulty_by_hand import faulty_previous_occurrence, faulty_turns

TEXTS = texts_of(Path(__file__).parent)
CLEAR = 0.9  # the share of attention above which a head counts as looking at one position


# --- attention.previous_occurrence ---


def previous_occurrence(attend, vocab_size, n_positions):
    """Run `attend` with two matrices that favour keys with the query's token and, among these, later keys.

    They never favour the query's own position.
    """
    same, itself, later = range(vocab_size), range(vocab_size, vocab_size + n_positions), vocab_size + n_positions
    w_q, w_k = torch.zeros(2, later, later + 1)
    w_q[same, same], w_k[same, same] = 20.0 * n_positions, 1.0
    w_q[itself, itself], w_k[itself, itself] = -40.0 * n_positions, 1.0
    w_q[itself, later], w_k[itself, later] = 10.0, torch.arange(n_positions).float()
    return attend(w_q, w_k)


@dataclass(frozen=True)
class Head:
    """A causal attention head that reads one text. Each vector contains a token and its position, both one-hot."""

    ids: tuple[int, ...]
    vocab_size: int
    n_positions: int

    def __call__(self, w_q, w_k):
        """Return, for each repeated token, the position that the head looks at, or −1 if it looks at several."""
        scores, places = self.scores(w_q, w_k), range(len(self.ids))
        allowed = torch.ones(len(self.ids), len(self.ids), dtype=torch.bool).tril()
        most, where = scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1).max(dim=-1)
        return [int(where[i]) if most[i] > CLEAR else -1 for i in places if self.ids[i] in self.ids[:i]]

    def scores(self, w_q, w_k):
        """Compute each query's score for each key, before masking, as a tensor of shape (query, key)."""
        width = self.vocab_size + self.n_positions
        for name, matrix in (("w_q", w_q), ("w_k", w_k)):
            if not isinstance(matrix, torch.Tensor) or matrix.ndim != 2 or matrix.shape[0] != width:
                got = tuple(matrix.shape) if isinstance(matrix, torch.Tensor) else type(matrix).__name__
                raise ValueError(f"{name} must be a matrix with vocab_size + n_positions = {width} rows; got {got}")
        if w_q.shape != w_k.shape:
            raise ValueError(f"w_q and w_k must have the same number of columns; got {w_q.shape[1]} and {w_k.shape[1]}")
        token = F.one_hot(torch.tensor(self.ids), self.vocab_size)
        x = torch.cat((token, F.one_hot(torch.arange(len(self.ids)), self.n_positions)), dim=1).double()
        return (x @ w_q.double()) @ (x @ w_k.double()).T


def cases_previous_occurrence(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(ids, vocab_size, n_positions, note=""):
        return Case((Head(tuple(ids), vocab_size, n_positions), vocab_size, n_positions), note)

    def drawn(vocab_size, n_positions, length):
        return case(torch.randint(0, vocab_size, (length,), generator=generator).tolist(), vocab_size, n_positions)

    return [
        case([2, 0, 1, 2], 3, 4, "one token appears twice"),
        case([0, 1, 0, 2, 0, 1, 3, 0], 4, 8, "a token that appears again and again"),
        case([1, 1, 2, 2, 2, 0, 1], 3, 8, "equal tokens side by side"),
        case([3, 4, 0, 1, 2, 3, 4, 0, 1, 2], 5, 12, "a text that repeats itself"),
        case([1, 0, 2, 3, 4, 5, 6, 0, 2, 1], 7, 10, "the same token a long way back"),
        drawn(4, 12, 12),
        drawn(9, 16, 16),
        drawn(3, 20, 14),
        drawn(12, 40, 40),
    ]


NOT_A_NUMBER = (
    "`{0}` contains {1}. Most of the numbers in a vector are 0, and 0 · {1} is NaN (not a number), so the scores "
    "become NaN. A large finite number works just as well, because 0 times a finite number is 0."
)
NOT_ENOUGH = (
    "The second score is lower, but not low enough: how much larger must the correct score be to get 0.9 of the "
    "attention?"
)


def where_it_looks(call, case):
    """Use the scores to explain why the first query that goes wrong does not look where it should."""
    head, *sizes = case.args
    seen = call(lambda w_q, w_k: (head.scores(w_q, w_k), w_q.double(), w_k.double()), *sizes)
    if isinstance(seen, tuple) and len(seen) == 2:
        return "You return your two matrices. The task asks for the result of `attend`."
    scores, w_q, w_k = seen
    for name, matrix in (("w_q", w_q), ("w_k", w_k)):
        if not matrix.isfinite().all():
            return NOT_A_NUMBER.format(name, number(matrix[~matrix.isfinite()][0].item()))
    if (found := first_astray(head.ids, scores)) is None:
        return None
    query, last, rival = found
    mine, theirs = scores[query, last].item(), scores[query, rival].item()
    right, other = distinctly(mine, theirs) if mine != theirs else [number(mine)] * 2
    says = f"In the text {list(head.ids)}, the query at position {query} scores {right} with the key at position "
    says += f"{last}, where it should look, and {other} with the key at "
    if rival == query:
        return f"{says}its own position. {about_its_own(w_q, w_k, head.vocab_size, query)}"
    if head.ids[rival] == head.ids[query]:
        return f"{says}position {rival}, which holds the same token. {about_the_latest(w_q, w_k, mine - theirs)}"
    asks = NOT_ENOUGH if theirs < mine else "How much does each of your columns add to the two scores?"
    return f"{says}position {rival}, which holds a different token. {asks}"


def first_astray(ids, scores):
    """Find the first query that attends to a wrong position.

    Return the query, the correct position and its strongest rival, or None if there is no such query.
    """
    for query, token in enumerate(ids):
        row = scores[query, : query + 1]
        if token not in ids[:query]:
            continue
        last = max(place for place in range(query) if ids[place] == token)
        if row.softmax(dim=0)[last] > CLEAR:
            continue
        others = [place for place in range(query, -1, -1) if place != last]  # from the query's own position backwards
        return query, last, max(others, key=row.tolist().__getitem__)
    return None


def about_its_own(w_q, w_k, vocab_size, query):
    """Say how much the positions add to a query's score for its own key beyond the linear trend of earlier keys."""
    by_place = w_q[vocab_size + query] @ w_k[vocab_size:].T  # (key,)
    before = by_place[:query]
    steps = sorted(before.diff().tolist(), key=abs)
    slope = steps[(len(steps) - 1) // 2] if steps else 0.0
    level = (
        before + slope * torch.arange(query, 0, -1)
    ).median()  # the score that the query's own position would get if it were treated like the other positions
    own, just_before = (by_place[query] - level).item(), (before[-1] + slope - level).item()
    if abs(own) < 1e-6 < abs(just_before):
        does = f"add {number(just_before)}" if just_before > 0 else f"subtract {number(-just_before)}"
        return (
            f"Your position columns {does} at the position just before the query. What do they do at the query's "
            "own position?"
        )
    if abs(own) < 1e-6:
        return idle_column(w_q, w_k) or "How can the score know that a key is at the query's own position?"
    if own > 0:
        return (
            f"Your position columns add {number(own)} at the query's own position, but they should subtract "
            "something. Two minus signs, one in each matrix, make a plus."
        )
    return (
        f"Your position columns subtract {number(-own)} at the query's own position. That is the right idea, but "
        "not enough: how much does this position get for holding the same token, and for coming later?"
    )


def about_the_latest(w_q, w_k, ahead):
    """Say what keeps the later of two identical tokens from getting the larger score."""
    if ahead > 0:
        return NOT_ENOUGH
    if idle := idle_column(w_q, w_k):
        return idle
    if ahead < 0:
        return (
            "The earlier of two identical tokens scores higher. Which sign makes a score grow with the key's position?"
        )
    return "What could give a later key a slightly larger score?"


def idle_column(w_q, w_k):
    """Return a sentence about a column that is all zeros in only one of the two matrices, or "" if there is none."""
    for name, matrix, other, zeros in (("w_q", w_q, "w_k", w_k), ("w_k", w_k, "w_q", w_q)):
        columns = (matrix != 0).any(dim=0) & (zeros == 0).all(dim=0)
        if columns.any():
            column = int(columns.nonzero()[0])
            return (
                f"Column {column} of `{name}` (counted from 0) adds 0 to every score, since the same column of "
                f"`{other}` is all zeros. Each column adds the product of two numbers to a score: the query's and the "
                "key's."
            )
    return ""


PREVIOUS_OCCURRENCE = Exercise(
    **TEXTS["previous_occurrence"],
    reference=previous_occurrence,
    cases=cases_previous_occurrence,
    faulty=faulty_previous_occurrence,
    probes=(
        Probe(
            "The last position with the same token gets nearly all the attention.",
            where_it_looks,
            explains=True,
            beside=True,
        ),
    ),
    double=False,
)


# --- attention.turns ---


def turns(n_tokens, d_head, theta):
    """Return the cosines and sines for `rotate`, with the axes batch (1), head (1), seq and d_head."""
    cos, sin = embeddings.rotary_cos_sin(torch.arange(n_tokens), embeddings.rotary_frequencies(d_head, theta))
    return cos[None, None], sin[None, None]


def cases_turns(seed):
    more = 1.0 + seed % 50
    return [
        Case((3, 2, 10_000.0), "a single pair, which rotates by one radian per position"),
        Case((4, 4, 100.0 * more), "two pairs"),
        Case((1, 6, 10_000.0), "a single token"),
        Case((7, 8, 500.0 * more), "another θ"),
        Case((30, 6, 100_000.0 * more), "a longer text"),
    ]


TURNS = Exercise(
    **TEXTS["turns"],
    reference=turns,
    helpers=(embeddings.rotary_frequencies, embeddings.rotary_cos_sin),
    cases=cases_turns,
    faulty=faulty_turns,
    axes=("batch", "head", "seq", "d_head"),
    double=False,
)
