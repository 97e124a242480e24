"""Cache the keys and values of a text whose end changes, so that the model has to read only the new part."""

from collections.abc import Sequence

from llmlib.transformer import Cache, Transformer


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length, in tokens, of the prefix that two texts have in common.

    >>> common_length([1, 2, 3], [1, 2, 4, 5])
    2
    """
    shorter = min(len(one), len(other))
    return next((k for k in range(shorter) if one[k] != other[k]), shorter)


class PrefixCache:
    """A model's cache, and the ids whose keys and values it holds.

    First call `keep`, which returns how many tokens of a text are already cached. Then run the model on the rest with
    `cache`, and set `ids` to all the tokens that the cache now holds.
    """

    def __init__(self, model: Transformer, room: int):
        self.model, self.room = model, room  # a new cache has room for the text and this many more tokens
        self.ids: tuple[int, ...] = ()
        self.cache: Cache = model.new_cache(max_seq_len=1)

    def keep(self, ids: Sequence[int], most: int) -> int:
        """Keep the cached tokens that this text begins with, up to `most` of them, and return how many were kept."""
        if self.cache.max_seq_len < len(ids):
            self.cache, self.ids = self.model.new_cache(max_seq_len=len(ids) + self.room), ()
        known = min(common_length(ids, self.ids), most)
        self.cache.length, self.ids = known, tuple(ids[:known])
        return known
