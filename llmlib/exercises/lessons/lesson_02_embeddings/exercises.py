"""Exercises for lesson 02: look up vectors, compare them, and compute position vectors."""

from pathlib import Path

import torch

from llmlib import embeddings
from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import batch_permuted, gradients_flow, randn
from llmlib.exercises.lessons.lesson_02_embeddings.faulty import (
    faulty_analogy,
    faulty_cosine,
    faulty_embed,
    faulty_move,
    faulty_nearest,
    faulty_sinusoidal,
)

TEXTS = texts_of(Path(__file__).parent)


# --- embeddings.lookup ---


def cases_embed(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(batch, seq, vocab, d_model, note=""):
        ids = torch.randint(0, vocab, (batch, seq), generator=generator)
        return Case((ids, randn(seed + seq, vocab, d_model)), note)

    return [
        Case((torch.tensor([[2, 0]]), torch.tensor([[1.0, 1.5], [2.0, 2.5], [3.0, 3.5]]))),
        case(2, 3, 5, 4),
        case(1, 1, 5, 3, "a single token"),
        Case((torch.tensor([[1, 1, 1]]), randn(seed, 4, 2)), "the same token three times"),
        case(2, 4, 7, 3),
        case(3, 5, 11, 8),
    ]


LOOKUP = Exercise(
    **TEXTS["lookup"],
    reference=embeddings.embed,
    cases=cases_embed,
    faulty=faulty_embed,
    axes=("batch", "seq", "d_model"),
    probes=(batch_permuted(0), gradients_flow(("table",), 1)),
)


# --- embeddings.cosine_similarity ---


def cases_cosine(seed):
    return [
        Case((torch.tensor([[3.0, 4.0]]), torch.tensor([[6.0, 8.0], [-4.0, 3.0]]))),
        Case((randn(seed, 1, 1), randn(seed + 1, 1, 1)), "one-dimensional vectors"),
        Case((randn(seed, 2, 3), randn(seed + 1, 4, 3))),
        Case((randn(seed, 3, 5) * 100, randn(seed + 1, 2, 5) / 100), "long and short vectors"),
        Case((torch.cat((torch.zeros(1, 3), randn(seed + 3, 2, 3))), randn(seed, 2, 3)), "a vector of zeros"),
        Case(
            (randn(seed, 2, 3), torch.cat((randn(seed + 3, 2, 3), torch.zeros(1, 3)))),
            "a row of zeros in `y`",
        ),
        Case((randn(seed, 3, 4) / 100, randn(seed + 1, 2, 4) / 1000), "short vectors"),
        Case((randn(seed, 5, 8), randn(seed + 2, 6, 8))),
    ]


def between_minus_one_and_one(call, case):
    largest = call(*case.args).abs().max().item()
    if largest > 1 + 1e-3:
        return f"A cosine is between −1 and 1, but your largest result has an absolute value of {largest:.4g}."
    return None


def deaf_to_length(call, case):
    x, y = case.args
    if not equal(call(x, y), call(3 * x, y)):
        return "If the rows of x are made three times as long, your result changes, although the angles stay the same."
    return None


COSINE = Exercise(
    **TEXTS["cosine_similarity"],
    reference=embeddings.cosine_similarity,
    cases=cases_cosine,
    faulty=faulty_cosine,
    axes=("left", "right"),
    probes=(
        Probe("A cosine is between −1 and 1.", between_minus_one_and_one),
        Probe("The cosine depends on directions, not on lengths.", deaf_to_length),
        gradients_flow(("x", "y"), 0, 1),
    ),
)


# --- embeddings.nearest ---


def cases_nearest(seed):
    table = torch.tensor([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0], [-1.0, -0.2]])
    lengths = torch.linspace(0.3, 4.0, 12)[:, None]
    return [
        Case((torch.tensor([1.0, 0.1]), table, 2)),
        Case((randn(seed, 3), randn(seed + 1, 1, 3), 1), "a table with one row"),
        Case((randn(seed, 3), randn(seed + 1, 5, 3), 9), "`k` is larger than the number of rows"),
        Case((randn(seed, 4) * 3, randn(seed + 1, 12, 4) * lengths, 5), "rows of very different lengths"),
        Case((randn(seed, 4) * 2, randn(seed + 2, 12, 4) * lengths.flip(0), 12), "all rows, the most similar first"),
        Case((randn(seed, 8), randn(seed + 1, 40, 8), 6)),
        Case((randn(seed, 3), torch.cat((randn(seed + 1, 5, 3), torch.zeros(1, 3))), 3), "a row of zeros in the table"),
        Case(
            (torch.tensor([1.0, 0.1]), torch.cat((table[:1], torch.zeros(1, 2), table[1:])), 5),
            "one of the rows is all zeros, and `k` is the number of rows",
        ),
    ]


def the_query_finds_itself(call, case):
    _, table, k = case.args
    row = len(table) - 1
    if not table[row].any():
        return None
    found = int(call(table[row], table, k)[0][0])
    return None if found == row else f"When the query is row {row}, your function puts row {found} first."


NEAREST = Exercise(
    **TEXTS["nearest"],
    reference=embeddings.nearest,
    helpers=(embeddings.cosine_similarity,),
    cases=cases_nearest,
    faulty=faulty_nearest,
    arguments=("query", "table", "k"),
    probes=(Probe("The row nearest to a row of the table is that row itself.", the_query_finds_itself),),
)


# --- embeddings.analogy ---


def cases_analogy(seed):
    table = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0], [-0.4, 0.9], [0.1, -1.0]])
    lengths = torch.linspace(0.4, 3.0, 15)[:, None]

    def case(n, d_model, k, note="", scale=1.0):
        a, b, c = torch.randperm(n, generator=torch.Generator().manual_seed(seed + n))[:3].tolist()
        return Case((a, b, c, randn(seed + d_model, n, d_model) * scale, k), note)

    return [
        Case((0, 1, 2, table, 1)),
        case(6, 3, 3, "all other rows, the nearest first"),
        case(5, 4, 9, "`k` is larger than the number of other rows"),
        case(15, 4, 5, "rows of very different lengths", lengths),
        case(15, 6, 12, "rows of very different lengths", lengths.flip(0)),
        case(30, 8, 4),
        Case(
            (1, 3, 1, randn(seed + 9, 6, 4), 9),
            "c is the same row as a, and `k` is larger than the number of other rows",
        ),
    ]


ANALOGY = Exercise(
    **TEXTS["analogy"],
    reference=embeddings.analogy,
    helpers=(embeddings.nearest,),
    cases=cases_analogy,
    faulty=faulty_analogy,
    arguments=("a", "b", "c", "table", "k"),
)


# --- embeddings.sinusoidal ---


def cases_sinusoidal(seed):
    generator = torch.Generator().manual_seed(seed)
    return [
        Case((torch.arange(2), 4)),
        Case((torch.tensor([0]), 2), "position 0, one sine and one cosine"),
        Case((torch.tensor([24]), 6), "a single position"),
        Case((torch.tensor(3), 4), "a single position, as a scalar tensor"),
        Case((torch.arange(9), 8)),
        Case((torch.randint(0, 25, (5,), generator=generator), 6), "random positions"),
        Case((torch.randint(0, 25, (2, 3), generator=generator), 12), "two texts, each with its own positions"),
    ]


def is_single(call, case):
    dtype = call(*case.args).dtype
    return None if dtype == torch.float32 else f"The task asks for float32, but your result is {str(dtype)[6:]}."


def on_circles(call, case):
    squares = call(*case.args) ** 2
    d_model = case.args[1]
    if squares.shape[-1] == d_model and abs(squares.sum(-1).max().item() - d_model / 2) > 1e-2:
        return (
            f"The squares of a row should sum to {d_model / 2:g}, but they sum to {squares.sum(-1).max().item():.4g}."
        )
    return None


SINUSOIDAL = Exercise(
    **TEXTS["sinusoidal"],
    reference=embeddings.sinusoidal_positions,
    helpers=(embeddings.rotary_frequencies,),
    cases=cases_sinusoidal,
    faulty=faulty_sinusoidal,
    axes=("seq", "d_model"),
    probes=(
        Probe("Each sine and its cosine form a point on the unit circle: sin² + cos² = 1.", on_circles),
        Probe("The result is float32.", is_single),
    ),
)


# --- embeddings.move ---


def move(vectors, k):
    """Turn each vector for position p into the vector for position p + k by rotating each pair by k times its angle."""
    angles = k * embeddings.rotary_frequencies(vectors.shape[-1]).to(vectors.dtype)
    sin, cos = vectors[..., 0::2], vectors[..., 1::2]
    moved_sin = sin * angles.cos() + cos * angles.sin()
    moved_cos = cos * angles.cos() - sin * angles.sin()
    return torch.stack((moved_sin, moved_cos), dim=-1).flatten(-2)


def cases_move(seed):
    generator = torch.Generator().manual_seed(seed)

    def at(positions, k, d_model, note):
        angles = positions[..., None] * embeddings.rotary_frequencies(d_model).double()
        return Case((torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2), k), note)

    def case(k, d_model, *shape, note=""):
        return at(torch.rand(shape, generator=generator, dtype=torch.float64) * 20, k, d_model, note)

    far = torch.tensor([2000.0, 3000.5], dtype=torch.float64)
    far_away = at(far, 3, 6, "distant positions: even the slowest hand has made more than half a turn")
    return [
        Case((torch.tensor([[0.0, 1.0]]), 1), "position 0, one hand"),
        case(3, 4, 1),
        case(2, 6, 5, note="several positions"),
        case(-2, 6, 4, note="two positions back"),
        case(0, 4, 3, note="`k` is 0"),
        case(7, 8, note="a single vector, without a position axis"),
        case(12, 10, 2, 3, note="two texts"),
        far_away,
    ]


def step_by_step(call, case):
    vectors, k = case.args
    if equal(call(call(vectors, k), 1), call(vectors, k + 1)):
        return None
    return f"Moving by {k} and then by 1 does not give the same result as moving by {k + 1}."


MOVE = Exercise(
    **TEXTS["move"],
    reference=move,
    helpers=(embeddings.rotary_frequencies,),
    cases=cases_move,
    faulty=faulty_move,
    arguments=("vectors", "k"),
    probes=(Probe("Two steps in a row give the same result as one longer step.", step_by_step),),
)

EXERCISES = (LOOKUP, COSINE, NEAREST, ANALOGY, SINUSOIDAL, MOVE)
