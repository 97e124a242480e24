"""Functions shared by several exercises in lesson 07: the draw, the temperature and the penalty."""

from llmlib.sampling import logits as rules


def draw(probabilities, u):
    """Return, for each row, the first token at which the running sum of the probabilities exceeds u."""
    return (probabilities.cumsum(dim=-1) <= u[:, None]).sum(dim=-1)


def probabilities_at(logits, temperature):
    """Return the distribution at this temperature. At 0, the first of the likeliest tokens has probability 1."""
    return rules.scale_temperature(logits, temperature).softmax(dim=-1)


def penalise_repetition(logits, ids, penalty):
    """Lower, in each row, the logits of the tokens that occur in that row of `ids`.

    Of these logits, the positive ones are divided by the penalty, and the others are multiplied by it.
    """
    return rules.penalise_repetition(logits, rules.count_tokens(ids, logits.shape[-1]), penalty)
