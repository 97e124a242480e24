"""Wrong solutions to the exercises in `by_hand`.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

import math

import torch


def faulty_previous_occurrence(attend, vocab_size, n_positions, same=20.0, later=10.0, by="both"):
    """Run `attend` with the matrices of a faulty head.

    A key with the query's token gains `same` · `n_positions`, and each step to a later key adds `later` to a score.
    """
    width = vocab_size + n_positions
    tokens, places = torch.arange(vocab_size), torch.arange(vocab_size, width)
    w_q, w_k = torch.zeros(2, width, width + 1)
    if by in ("both", "token"):
        w_q[tokens, tokens], w_k[tokens, tokens] = same * n_positions, 1.0
    if by in ("both", "place"):
        w_q[places, places], w_k[places, places] = -40.0 * n_positions, 1.0
        w_q[places, width], w_k[places, width] = later, torch.arange(n_positions).float()
    if by == "the place before":
        w_q[places[1:], places[:-1]], w_k[places, places] = 100.0, 1.0
        w_q[places[0], places[0]] = 100.0
    if by == "the first place":
        w_q[:, places[0]], w_k[places[0], places[0]] = 100.0, 1.0
    return attend(w_q, w_k)


def faulty_turns(
    n_tokens,
    d_head,
    theta,
    first=0,
    power="2i",
    falls=True,
    laid="halves",
    unit="radians",
    axes="four",
    gives="cos sin",
    places="kept",
):
    pair = torch.arange(d_head if laid == "each its own" else d_head // 2, dtype=torch.float32)
    exponent = {"2i": 2 * pair / d_head, "i": pair / d_head, "of pairs": 4 * pair / d_head}[power]
    speeds = theta ** (-exponent if falls else exponent)
    angles = torch.arange(first, n_tokens + first)[:, None] * speeds
    if places == "left out":
        angles = speeds.expand(n_tokens, -1)
    if laid == "halves":
        angles = torch.cat((angles, angles), dim=1)
    if laid == "neighbours":
        angles = angles.repeat_interleave(2, dim=1)
    angles = angles * {"radians": 1, "turns": 2 * math.pi, "degrees": math.pi / 180}[unit]
    cos, sin = (angles, angles) if gives == "angles" else (angles.cos(), angles.sin())
    if gives == "position outside":
        first_turn = speeds.repeat(d_head // len(speeds)) if laid == "halves" else speeds
        at = torch.arange(first, n_tokens + first)[:, None]
        cos, sin = at * first_turn.cos(), at * first_turn.sin()
    if axes == "four":
        cos, sin = cos[None, None], sin[None, None]
    return (sin, cos) if gives == "sin cos" else (cos, sin)
