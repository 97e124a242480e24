"""Store the branches of a text as a tree of tokens; `unpackTree` in data.mjs reads the packed tree."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

PROMPT = 0  # the number of the node where all branches begin
WAYS = ("prompt", "chance", "reader", "side by side")  # how a token was chosen


class Node(NamedTuple):
    """A node of the tree: a token that was written after the prompt or after another token."""

    id: int
    parent: int  # -1 for the prompt
    log_prob: float  # the model's log-probability, before any setting
    chance: float  # the token's probability under the settings that were in use
    way: int  # an index into WAYS


class Branches:
    """All texts that were written after a prompt. A token that is written twice at the same point gets only one node.

    >>> tree = Branches()
    >>> cat = tree.add(PROMPT, 5, -1.0, 0.5, "chance")
    >>> sat, ran = tree.add(cat, 6, -0.5, 0.6, "chance"), tree.add(cat, 7, -2.0, 0.1, "reader")
    >>> tree.ids(ran), tree.add(cat, 7, -2.0, 0.1, "chance") == ran
    ((5, 7), True)
    """

    def __init__(self) -> None:
        self.nodes = [Node(0, -1, 0.0, 1.0, 0)]
        self._child: dict[tuple[int, int], int] = {}  # (parent, id) -> node

    def __len__(self) -> int:
        return len(self.nodes)

    def child(self, parent: int, id: int) -> int | None:
        return self._child.get((parent, id))

    def add(self, parent: int, id: int, log_prob: float, chance: float, way: str) -> int:
        """Return the node for the token `id` after `parent`, adding the node if it does not exist yet."""
        if (known := self.child(parent, id)) is not None:
            return known
        self.nodes.append(Node(id, parent, log_prob, chance, WAYS.index(way)))
        self._child[parent, id] = len(self.nodes) - 1
        return len(self.nodes) - 1

    def cut(self, length: int) -> None:
        """Remove the newest nodes, so that `length` nodes are left."""
        for node in self.nodes[length:]:
            del self._child[node.parent, node.id]
        del self.nodes[length:]

    def path(self, node: int) -> list[int]:
        """Return the nodes from the first token to this node, or an empty list for the prompt."""
        found = []
        while node != PROMPT:
            found.append(node)
            node = self.nodes[node].parent
        return found[::-1]

    def ids(self, node: int) -> tuple[int, ...]:
        return tuple(self.nodes[one].id for one in self.path(node))

    def ends(self) -> Iterator[int]:
        """List the nodes that do not have a child yet, oldest first."""
        parents = {node.parent for node in self.nodes}
        return (number for number in range(len(self)) if number not in parents)

    def pack(self) -> bytes:
        """Pack the fields of all nodes, column by column.

        The columns are little-endian: u4 ids, i4 parents, f4 log-probabilities, f4 chances, u1 ways.
        """
        ids, parents, log_probs, chances, ways = zip(*self.nodes)
        columns = ((ids, "<u4"), (parents, "<i4"), (log_probs, "<f4"), (chances, "<f4"), (ways, "u1"))
        return b"".join(np.array(column, kind).tobytes() for column, kind in columns)

    @staticmethod
    def unpack(packed: bytes) -> "Branches":
        tree, n = Branches(), len(packed) // 17
        columns = [
            np.frombuffer(packed, kind, n, 4 * n * k) for k, kind in enumerate(("<u4", "<i4", "<f4", "<f4", "u1"))
        ]
        for id, parent, log_prob, chance, way in list(zip(*(column.tolist() for column in columns)))[1:]:
            tree.add(parent, id, log_prob, chance, WAYS[way])
        return tree
