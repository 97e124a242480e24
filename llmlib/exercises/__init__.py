"""Exercises that answer back: `check` names the misconception behind a wrong solution.

`engine` is how an exercise is run and recognised, `lessons` holds the exercises themselves, one folder a lesson, and
`my_llm` makes one file of what `check` has found right: a language model of the reader's own.

>>> from llmlib.exercises import check
>>> def scaled_dot_product(q, k, v, mask):
...     pattern = (q @ k.transpose(-2, -1) / q.shape[-1]).masked_fill(~mask, float("-inf")).softmax(-1)
...     return pattern @ v
>>> check("attention.scaled_dot_product", scaled_dot_product).misconceptions
('divided by d_head',)
"""

from llmlib.exercises.my_llm.verb import mine
from llmlib.exercises.standing import progress
from llmlib.exercises.verbs import check, hint, predict, quiz, solution, task, warm_up

__all__ = ["check", "hint", "mine", "predict", "progress", "quiz", "solution", "task", "warm_up"]
