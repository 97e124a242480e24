"""Read what a sampling view has written."""

from llmlib.widgets.sampling.branches import Branches


def ids_of(view, tokenizer):
    """Return the whole text as ids."""
    return [*tokenizer.encode(view.prompt), *Branches.unpack(view.tree).ids(view.at)]
