"""Wrong solutions to `merge`.

`faulty_merge` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

from collections.abc import Sequence
from typing import Any, Literal

from llmlib.tokenization.simple_bpe import Pair

MergeFits = Literal["both", "first", "either", "even places", "used again", "in a text"]
MergeWrite = Literal["new", "nothing", "beside", "twice", "step from new", "first stays"]


def faulty_merge(
    ids: Sequence[int],
    pair: Pair,
    new_id: int,
    step: Literal[2, 1] = 2,
    tail: Literal["kept", "lost", "others lost"] = "kept",
    times: Literal["all", "once"] = "all",
    direction: Literal["left", "right"] = "left",
    order: Literal["kept", "ignored"] = "kept",
    fits: MergeFits = "both",
    write: MergeWrite = "new",
    other: Literal[1, 2] = 1,
) -> list[int]:
    if fits == "in a text":
        joined = " ".join(map(str, ids)).replace(" ".join(map(str, pair)), str(new_id))
        return [int(id) for id in joined.split()]
    left_to_right = direction == "left"
    ids = list(ids) if left_to_right else list(ids)[::-1]
    if fits == "used again":
        return _merge_in_place_of_the_last(ids, pair, new_id)
    both = pair if left_to_right else pair[::-1]
    wanted = {both, both[::-1]} if order == "ignored" else {both}
    merged: list[int] = []
    i, done = 0, False
    while i < len(ids):
        if _begins(ids, i, pair, wanted, fits) and not (times == "once" and done):
            done = True
            merged += _written(ids[i : i + 2], new_id, write, left_to_right)
            i += 1 if fits == "either" else step
            if write == "step from new" and i < len(ids):
                merged.append(ids[i])
                i += 1
        else:
            if tail == "kept" or (tail == "lost" and i + 1 < len(ids)):
                merged.append(ids[i])
            i += other
    return merged if left_to_right else merged[::-1]


def _begins(
    ids: list[int], i: int, pair: Pair, wanted: set[Pair], fits: Literal["both", "first", "either", "even places"]
) -> bool:
    """Return whether a merge begins at position i; `fits` determines which ids have to match the pair."""
    match fits:
        case "both":
            return tuple(ids[i : i + 2]) in wanted
        case "even places":
            return i % 2 == 0 and tuple(ids[i : i + 2]) in wanted
        case "first":
            return i + 1 < len(ids) and ids[i] == pair[0]
        case "either":
            return ids[i] in pair


def _written(both: list[int], new_id: int, write: MergeWrite, left_to_right: bool) -> list[int]:
    """Return the ids that replace a pair."""
    match write:
        case "new" | "step from new":
            return [new_id]
        case "nothing":
            return []
        case "beside":
            return [*both, new_id]
        case "twice":
            return [new_id, new_id]
        case "first stays":
            return [both[0], new_id] if left_to_right else [new_id, both[0]]


def _merge_in_place_of_the_last(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    """Merge each id that forms the pair with the original id before it, even if that id is already part of a merge."""
    merged: list[int] = []
    for i, id in enumerate(ids):
        if i and (ids[i - 1], id) == pair:
            merged[-1] = new_id
        else:
            merged.append(id)
    return merged


Merging = (
    Literal["step", "used again", "tail", "times", "direction", "order", "nothing written", "others lost", "twice"]
    | Literal["first alone", "even places", "by two"]
)
FAULTS_OF_MERGE: dict[Merging | None, dict[str, Any]] = {
    None: {},
    "step": {"step": 1},
    "used again": {"fits": "used again"},
    "tail": {"tail": "lost"},
    "times": {"times": "once"},
    "direction": {"direction": "right"},
    "order": {"order": "ignored"},
    "nothing written": {"write": "nothing"},
    "others lost": {"tail": "others lost"},
    "twice": {"write": "twice"},
    "first alone": {"fits": "first"},
    "even places": {"fits": "even places"},
    "by two": {"other": 2},
}


def merge_with(merging: Merging | None, ids: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Merge a pair as a learner's own `merge` would, with one fault or none."""
    return faulty_merge(ids, pair, new_id, **FAULTS_OF_MERGE[merging])
