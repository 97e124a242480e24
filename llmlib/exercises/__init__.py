"""Check solutions to the course's exercises, and name the misconception behind a wrong solution.

`engine` runs exercises and recognises mistakes, `lessons` contains the exercises, in one folder per lesson, and
`my_llm` turns everything that `check` has accepted into one file: the learner's own language model.

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
