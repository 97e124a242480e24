"""Let SmolLM2 work on 40 tasks with two tools, and find out where its runs go wrong (lesson 11, agents)."""

import random
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from experiments import Rows
from limits_tasks import Shared, villagers

from llmlib.exercises.lessons.lesson_11_capabilities_and_limits.remedies import agent
from llmlib.retrieval import BM25, search

Example = tuple[str, str, str, str]  # the task, the call, the result, and the answer
PLUS: Example = ("How much is 12 plus 30?", "calculator(12+30)", "42", "42")
MINUS: Example = ("How much is 58 minus 21?", "calculator(58-21)", "37", "37")
OTHER_MINUS: Example = ("How much is 64 minus 13?", "calculator(64-13)", "51", "51")
BORN: Example = (
    "Where was Ada Brook born?",
    "search(Ada Brook born)",
    "Ada Brook was born in Vellby. For thirty years Ada Brook worked as a baker.",
    "Vellby",
)
OTHER_BORN: Example = (
    "Where was Lena Moor born?",
    "search(Lena Moor born)",
    "Lena Moor was born in Talby. For thirty years Lena Moor worked as a cook.",
    "Talby",
)
JOB: Example = (
    "What was the job of Karl Wendt?",
    "search(Karl Wendt job)",
    "Karl Wendt was born in Ostby. For thirty years Karl Wendt worked as a sailor.",
    "sailor",
)
EXAMPLES = {
    "two sums, one document": (PLUS, BORN, MINUS),
    "one sum, two documents": (JOB, OTHER_MINUS, OTHER_BORN),
}


class Task(NamedTuple):
    """Holds a task: the question, the tool that it needs, the result that the tool has to return, and the answer."""

    kind: str
    asked: str
    tool: str
    result: str
    answer: str


def made(seed: int) -> list[Task]:
    """Make ten tasks of each of four kinds."""
    chance, found = random.Random(f"agent {seed}"), []
    for villager in chance.sample(villagers(seed), 10):
        one, other = sorted((chance.randint(10, 99) for _ in range(2)), reverse=True)
        total, rest = str(one + other), str(one - other)
        found += [
            Task("plus", f"How much is {one} plus {other}?", "calculator", total, total),
            Task("minus", f"How much is {one} minus {other}?", "calculator", rest, rest),
            Task("born", f"Where was {villager.name} born?", "search", villager.document(), villager.town),
            Task("job", f"What was the job of {villager.name}?", "search", villager.document(), villager.job),
        ]
    return found


def calculator(call: str) -> str:
    if not (found := re.fullmatch(r"(\d+)([+-])(\d+)", call)):
        raise ValueError(f"cannot work out {call!r}")
    return str(int(found[1]) + (1 if found[2] == "+" else -1) * int(found[3]))


@torch.inference_mode()
def next_line(shared: Shared, text: str, most: int = 24) -> str:
    """Return the model's greedy continuation of the text, up to the end of the line."""
    ids, line = shared.tokenizer.encode(shared.space + text), ""
    memory = shared.copied(1, len(ids) + most)
    for _ in range(most):
        logits = shared.model(torch.tensor([ids]), cache=memory, last_only=True)
        ids = [int(logits[0, -1].argmax())]
        line += shared.tokenizer.decode(ids)
        if "\n" in line:
            break
    return line.partition("\n")[0].strip()


Step = tuple[str, str]
Call = tuple[str, str, str]


def caller(shared: Shared) -> Callable[[list], Step]:
    """Return the function that the loop calls: the model reads the examples and the transcript, and writes a call."""

    def model(transcript: list) -> Step:
        text = f"Task: {transcript[0]}\n"
        text += "".join(f"Call: {name}({argument})\nResult: {result}\n" for name, argument, result in transcript[1:])
        name, _, argument = next_line(shared, f"{text}Call:").removesuffix(")").partition("(")
        return name, argument

    return model


def outcome(task: Task, transcript: list, said: str | None) -> str:
    """Name the first point where a run went wrong, or say that the run is right.

    >>> task = Task("plus", "How much is 2 plus 3?", "calculator", "5", "5")
    >>> outcome(task, [task.asked, ("search", "2 3", "Ada was born in Vellby.")], "9")
    'the wrong tool'
    >>> outcome(task, [task.asked, ("calculator", "2+33", "35")], "35")
    'the wrong argument'
    >>> outcome(task, [task.asked, ("calculator", "2+3", "5")], "3")
    'the result misread'
    """
    calls: list[Call] = transcript[1:]
    if said == task.answer and any(call[2] == task.result for call in calls):
        return "right"
    if said == task.answer:
        return "right by luck"
    if not calls:
        return "no call at all"
    if said is None and len(set(calls)) < len(calls):
        return "a loop"
    if calls[0][0] != task.tool:
        return "the wrong tool"
    if not any(call[2] == task.result for call in calls):
        return "the wrong argument"
    return "no answer" if said is None else "the result misread"


OUTCOMES = (
    "right",
    "right by luck",
    "no call at all",
    "the wrong tool",
    "the wrong argument",
    "the result misread",
    "a loop",
    "no answer",
)


def agents(arm: str, seed: int) -> Rows:
    """Run 40 tasks in the loop of exercise 4, with at most three calls each, and count where the runs go wrong."""
    shared = Shared(
        "".join(
            f"Task: {task}\nCall: {call}\nResult: {result}\nCall: answer({answer})\n\n"
            for task, call, result, answer in EXAMPLES[arm]
        )
    )
    index = BM25([villager.document() for villager in villagers(seed)])
    tools = {"calculator": calculator, "search": lambda words: search(index, words, k=1)[0].text}
    counts: dict[str, Counter[str]] = {}
    model = caller(shared)
    for task in made(seed):
        kept: list = []

        def watched(transcript: list, kept: list = kept) -> Step:
            kept[:] = transcript
            return model(transcript)

        said = agent(watched, tools, task.asked, 3)
        counts.setdefault(task.kind, Counter())[outcome(task, kept, said)] += 1
    for kind, seen in counts.items():
        for what in OUTCOMES:
            yield 0, f"{kind}: {what}", seen[what], seen.total()
