"""Run the embeddings view on a live table: all tokens as points, with neighbours and analogies."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

import regex
from jaxtyping import Float
from torch import Tensor

from llmlib import embeddings
from llmlib.explore.embeddings.neighbour_map import MOST_ROWS, neighbour_map
from llmlib.explore.shared.token_texts import bytes_of
from llmlib.tokenization.base import Tokenizer
from llmlib.widgets.embeddings.view import EmbeddingsView, embeddings_view

NEIGHBOURS, ANSWERS = 12, 6  # number of rows in each of the two lists
KINDS = {  # a token's kind is the first kind here whose pattern matches the token's text
    "other script": r".*(?:(?!\p{Latin})\p{L}|\p{M})",
    "with a capital": r".*\p{Lu}",
    "word with its space": r"\s.*\p{L}",
    "letters without a space": r".*\p{L}",
    "number": r".*\p{N}",
    "punctuation or space": r"",
}


def explore_embeddings(
    table: Float[Tensor, "vocab d_model"],
    tokenizer: Tokenizer,
    chosen: str | int | None = None,
    analogy: tuple[str | int, str | int, str | int] | None = None,
    map: str = "pca",
) -> EmbeddingsView:
    """Show all tokens of an embedding table as points coloured by kind, with search, neighbours and analogies.

    The coordinates are the tokens' projections onto the table's first three principal components; a second map keeps
    neighbours together (see `neighbour_map`). The second map is made when the user asks for it, or right away with
    `map="tsne"`. Neighbours (by cosine and by dot product) and analogies are computed over the whole table. `chosen` is
    the token that is initially pinned, and `analogy` contains three tokens, each given as an id or as text that forms a
    single token (note the leading space in " king"). Raises `ValueError` for a text that is not one token, an unknown
    id or map, or a table that is empty or contains NaN or infinity.

    >>> import torch
    >>> from llmlib.tokenization import CharTokenizer
    >>> table = torch.tensor([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]])
    >>> explore_embeddings(table, CharTokenizer("ab7"), chosen="a").neighbours["cosine"][0]
    [1, 0.993...]
    """
    if map not in ("pca", "tsne"):
        raise ValueError(f"map must be 'pca' or 'tsne', got {map!r}.")
    table = table.detach().float()
    if not len(table) or not table.isfinite().all():
        raise ValueError("The table must have at least one row, and must contain no NaN or infinity.")
    points, shares = embeddings.project(table, min(3, table.shape[1]))
    control = set(tokenizer.special_tokens.values())
    labels = [bytes_of(tokenizer, id) for id in range(len(table))]
    view = embeddings_view(
        labels,
        points.cpu().numpy(),
        [token_kind(label, special=id in control) for id, label in enumerate(labels)],
        shares=shares.tolist(),
    )
    controller = _Controller(table, view)
    if chosen is not None:
        view.chosen = _row(chosen, tokenizer, len(table))
        controller.find_neighbours(view.chosen)
    if analogy is not None:
        controller.find_analogy([_row(token, tokenizer, len(table)) for token in analogy])
    if map == "tsne":
        controller.draw_map()
        view.place = {"map": "near"}
    view.on_act("map", controller.draw_map)
    view.on_act("neighbours", controller.find_neighbours)
    view.on_act("analogy", controller.find_analogy)
    return view


def token_kind(token: bytes, special: bool = False) -> str:
    """Return which of eight kinds a token belongs to.

    Each kind has its own colour, and people can tell eight colours apart.

    >>> [token_kind(token) for token in (b" cat", b"ing", b" Paris", b"7", b"();")]
    ['word with its space', 'letters without a space', 'with a capital', 'number', 'punctuation or space']
    >>> token_kind("мир".encode()), token_kind("🙂".encode()[:2]), token_kind(b"<|end|>", special=True)
    ('other script', 'part of a character', 'special or unused')
    """
    if special or not token:
        return "special or unused"
    try:
        text = token.decode()
    except UnicodeDecodeError:
        return "part of a character"
    return next(kind for kind, pattern in KINDS.items() if regex.match(pattern, text, flags=regex.DOTALL))


class _Controller:
    """Carries out the user's actions in an `EmbeddingsView`."""

    def __init__(self, table: Float[Tensor, "vocab d_model"], view: EmbeddingsView):
        self.table, self.view = table, view
        self.mapping: Future[Any] | None = None  # the background task that makes the neighbour map

    def find_neighbours(self, row: int) -> None:
        row = self._known(row)
        found = {
            by: _pairs(*embeddings.nearest(self.table[row], self.table, NEIGHBOURS, by=by, exclude=[row]))
            for by in ("cosine", "dot")
        }
        self.view.neighbours = {"of": row, **found}

    def find_analogy(self, rows: list[int]) -> None:
        """Find the answers to an analogy given by three rows; without rows, remove the analogy."""
        if not rows:
            self.view.analogy = {}
            return
        a, b, c = (self._known(row) for row in rows)
        answers = _pairs(*embeddings.analogy(a, b, c, self.table, ANSWERS))
        self.view.analogy = {"rows": rows, "answers": answers}

    def draw_map(self) -> None:
        if not self.view.near:
            n_rows = min(MOST_ROWS, len(self.table))
            self.view.progress(f"t-SNE of {n_rows:,} tokens, about half a minute")
            self.mapping = self.mapping or in_background(lambda: neighbour_map(self.table))
            while not self.mapping.done():
                self.view.check()  # t-SNE cannot be stopped: it continues even if the user cancels
                wait([self.mapping], timeout=0.1)
            made, self.mapping = self.mapping, None
            self.view.set_near(*made.result())

    def _known(self, row: Any) -> int:
        return _row(int(row), None, len(self.table))


def in_background(function: Callable[[], Any]) -> "Future[Any]":
    """Run `function` in the background; the kernel can shut down without waiting for `function`."""
    future: Future[Any] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future


def _pairs(rows: Tensor, similarities: Tensor) -> list[list[int | float]]:
    return [[row, round(similarity, 4)] for row, similarity in zip(rows.tolist(), similarities.tolist())]


def _row(token: str | int, tokenizer: Tokenizer | None, n_rows: int) -> int:
    if isinstance(token, str):
        assert tokenizer is not None
        ids = tokenizer.encode(token)
        if len(ids) != 1:
            pieces = "|".join(tokenizer.token_bytes(id).decode(errors="replace") for id in ids)
            raise ValueError(
                f"{token!r} must be one token, but it is {len(ids)} tokens: {pieces}. Check the space before the word."
            )
        token = ids[0]
    if not 0 <= token < n_rows:
        raise ValueError(f"There is no row {token} in the table; its rows go from 0 to {n_rows - 1}.")
    return token
