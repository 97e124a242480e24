"""Exercises for lesson 08: the chat format, the mask, packing, and what a score is worth (for more, see `lora`)."""

import random
from pathlib import Path

import torch

from llmlib.exercises.engine.comparing import equal
from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.lessons.lesson_08_instruction_tuning.faulty import (
    faulty_answer_mask,
    faulty_chat_text,
    faulty_pack,
    faulty_targets,
)
from llmlib.exercises.lessons.lesson_08_instruction_tuning.faulty_measures import (
    faulty_best_by_wording,
    faulty_interval,
)
from llmlib.exercises.lessons.lesson_08_instruction_tuning.lora import ADAPTED, KEPT_BY_RANK, LORA_LINEAR, MERGED
from llmlib.exercises.lessons.lesson_08_instruction_tuning.masks import answer_mask, targets
from llmlib.exercises.lessons.lesson_08_instruction_tuning.tuning import LEARN_ANSWERS
from llmlib.finetuning import pairs

TEXTS = texts_of(Path(__file__).parent)
EMPTY = -1  # the id at a position that no conversation fills
Z = 1.96  # 95% of a normal distribution is within this many standard deviations of the mean


# --- instruction_tuning.chat_text ---


def chat_text(messages):
    """Write a conversation in the course's format; if the user speaks last, the text ends where the answer begins."""
    text = ""
    for message in messages:
        if message["role"] == "user":
            text += "<|user|>" + message["content"]
        else:
            text += "<|assistant|> " + message["content"] + "<|endoftext|>"
    return text + "<|assistant|>" if messages[-1]["role"] == "user" else text


def conversation(*contents, first="user"):
    """Make messages from two speakers who take turns."""
    roles = ("user", "assistant") if first == "user" else ("assistant", "user")
    return [{"role": roles[i % 2], "content": content} for i, content in enumerate(contents)]


def cases_chat_text(seed):
    chance = random.Random(seed)
    words = ["Mia", "the red ball", "Is it far?", "Yes.", "a dog", "No, Tom", "count to 3"]
    said = [" ".join(chance.sample(words, 2)) for _ in range(6)]
    return [
        Case((conversation("Who has the ball?", "Mia has it."),)),
        Case((conversation("Who has the ball?"),), "a question without an answer"),
        Case((conversation("Who is Tom?", "A boy.", "Is he old?"),), "the third turn is a question"),
        Case((conversation(*said[:4]),), "two questions and their answers"),
        Case((conversation("Hello!", said[0], "Thanks.", first="assistant"),), "the assistant speaks first"),
        Case((conversation("  two spaces ", " a line\n", "\nthe end "),), "spaces and line breaks in the contents"),
        Case((conversation("Say nothing.", "", said[5]),), "an empty answer"),
        Case((conversation(said[4], said[1], said[2], first="assistant"),), "the assistant speaks first and last"),
        Case((conversation(said[3], said[0], said[5], said[2], first="assistant"),), "the user speaks last, not first"),
        Case((conversation(*said[:5]),)),
    ]


CHAT_TEXT = Exercise(
    **TEXTS["chat_text"], reference=chat_text, cases=cases_chat_text, faulty=faulty_chat_text, double=False
)


# --- instruction_tuning.answer_mask ---


def turns(seed, lengths, special, cut=False):
    """Make a conversation's ids from turns of these lengths; if `cut`, the last answer has no end token."""
    chance = random.Random(seed)
    user, assistant, end = special
    ids = []
    for i, length in enumerate(lengths):
        ids.append(assistant if i % 2 else user)
        ids += [chance.randrange(10, 60) for _ in range(length)]
        if i % 2 and not (cut and i == len(lengths) - 1):
            ids.append(end)
    return torch.tensor(ids)


def cases_answer_mask(seed):
    usual, others = (1, 2, 0), (101, 100, 102)
    return [
        Case((torch.tensor([1, 11, 12, 2, 13, 14, 0]), 2, 0)),
        Case((turns(seed, [3, 2, 2, 3], usual), 2, 0), "two questions and their answers"),
        Case((turns(seed + 1, [2, 3, 4, 1, 2, 2], others), 100, 102), "different ids for the special tokens"),
        Case((turns(seed + 2, [2, 2, 3, 4], usual, cut=True), 2, 0), "cut off partway through the second answer"),
        Case((turns(seed + 3, [4, 3], usual, cut=True), 2, 0), "cut off partway through the only answer"),
        Case((turns(seed + 4, [3, 2, 4], usual), 2, 0), "no answer yet to the last question"),
        Case((turns(seed + 5, [3, 0, 2, 3], usual), 2, 0), "an empty answer"),
        Case((turns(seed + 6, [5], usual), 2, 0), "no answer at all"),
        Case((turns(seed + 7, [2, 3, 3, 0], usual, cut=True), 2, 0), "the last token is `assistant`"),
        Case((turns(seed + 8, [4, 5, 3, 6, 5, 4], others), 100, 102)),
    ]


def end_without_an_answer(call, case):
    _, assistant, end = case.args
    if not equal(answer_mask(*case.args), call(*case.args)):
        return None  # the mask is wrong for another reason
    ids = torch.tensor([end, 3, 11, end, 12, assistant, 13, end, end, 3, 14, end, assistant, 15, end, 3])
    if equal(answer_mask(ids, assistant, end), call(ids, assistant, end)):
        return None
    return (
        f"In {ids.tolist()}, with {assistant} for `assistant` and {end} for `end`, some end tokens do not close an "
        "answer. Your mask is wrong at those tokens."
    )


ANSWER_MASK = Exercise(
    **TEXTS["answer_mask"],
    reference=answer_mask,
    cases=cases_answer_mask,
    faulty=faulty_answer_mask,
    axes=("seq",),
    probes=(Probe("Only tokens after an `assistant` token belong to an answer.", end_without_an_answer),),
    double=False,
)


# --- instruction_tuning.targets ---


def cases_targets(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(answers, note=""):
        """Make a case. For each row, `answers` lists the positions (start, stop) of the answers in it."""
        mask = torch.zeros(len(answers), 9, dtype=torch.bool)
        for row, places in enumerate(answers):
            for start, stop in places:
                mask[row, start:stop] = True
        return Case((torch.randint(1, 60, mask.shape, generator=generator), mask), note)

    small = torch.tensor([[False, False, False, True, True]])
    return [
        Case((torch.tensor([[11, 12, 13, 14, 15]]), small)),
        case([[(3, 6)], [(4, 9)]], "answers of different lengths"),
        case([[(2, 4), (6, 8)], [(1, 3), (5, 6), (8, 9)], [(4, 7)]], "several answers in one row"),
        case([[(0, 9)], [(0, 2)]], "the answer begins at the start of the row"),
        case([[], [(5, 9)]], "a row without an answer"),
        Case(
            (torch.tensor([[7, 8], [9, 10], [5, 6]]), torch.tensor([[False, True], [True, False], [True, True]])),
            "rows of two tokens",
        ),
        case([[(2, 5)], [(3, 9)], [(1, 2), (6, 9)], [(8, 9)]]),
        Case(
            (torch.tensor([[0, 12, 13, 0], [14, 0, 15, 0]]), torch.tensor([[False, False, True, True]] * 2)),
            "a token with id 0, both inside and outside an answer",
        ),
    ]


TARGETS = Exercise(
    **TEXTS["targets"],
    reference=targets,
    cases=cases_targets,
    faulty=faulty_targets,
    axes=("batch", "seq"),
    double=False,
)


# --- instruction_tuning.pack ---


def pack(conversations, length):
    """Fill rows of `length` ids with whole conversations, in order; a conversation longer than a row is cut off."""
    rows: list[list[int]] = [[]]
    for ids in conversations:
        ids = ids[:length]
        if len(rows[-1]) + len(ids) > length:
            rows.append([])
        rows[-1] = rows[-1] + ids
    return torch.tensor([row + [EMPTY] * (length - len(row)) for row in rows])


def cases_pack(seed):
    chance = random.Random(seed)

    def case(lengths, length, note=""):
        return Case(([[chance.randrange(1, 90) for _ in range(n)] for n in lengths], length), note)

    return [
        Case(([[11, 12, 13], [21, 22], [31, 32, 33, 34]], 6)),
        case([3, 4, 2, 5, 1, 3], 8, "six conversations"),
        case([4, 4, 3, 5, 6], 8, "rows that are filled to the last position"),
        case([5, 6, 2, 7, 1, 4], 8, "a later conversation would fit into an earlier row"),
        case([3, 11, 2, 8, 9, 1], 8, "conversations that are longer than a row"),
        case([6, 2, 9, 5], 8, "a conversation of nine ids in rows that hold eight"),
        case([2, 3, 1], 9, "all conversations fit into one row"),
        case([9], 4, "a single conversation that is longer than a row"),
        case([1, 2, 2, 3, 1, 1, 4, 2, 3, 5], 5),
        case([7, 1, 3, 4, 2, 6, 5, 5, 10, 2], 10),
    ]


PACK = Exercise(
    **TEXTS["pack"], reference=pack, cases=cases_pack, faulty=faulty_pack, axes=("row", "seq"), double=False
)


# --- instruction_tuning.interval ---


def interval(right, n):
    """Return the 95% Wilson interval: all proportions p such that right / n is within 1.96 standard deviations of p."""
    share = right / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (share * (1 - share) / n + Z**2 / (4 * n**2)) ** 0.5
    return middle - half, middle + half


def cases_interval(seed):
    more = seed % 7
    return [
        Case((7, 10)),
        Case((12, 12), "all right"),
        Case((0, 8 + more), "none right"),
        Case((1, 1), "a single question"),
        Case((15, 30), "half right"),
        Case((2, 60 + more), "few right"),
        Case((95, 100), "95 of 100"),
        Case((850 + more, 1000), "a thousand questions"),
        Case((30 + more, 48)),
    ]


def holds_the_share(call, case):
    right, n = case.args
    low, high = call(right, n)
    if -1e-6 <= low <= right / n + 1e-6 and right / n - 1e-6 <= high <= 1 + 1e-6 and low < high:
        return None
    return f"For {right} of {n}, which is a share of {right / n:.4g}, your interval goes from {low:.4g} to {high:.4g}."


INTERVAL = Exercise(
    **TEXTS["interval"],
    reference=interval,
    cases=cases_interval,
    faulty=faulty_interval,
    probes=(Probe("The interval lies between 0 and 1, has positive width, and contains the share.", holds_the_share),),
    double=False,
)


# --- instruction_tuning.best_by_wording ---


def cases_best_by_wording(seed):
    chance = random.Random(seed)
    names = ["How old is …?", "Who broke …?", "What did … give to …?", "Where was …?", "Who came to the door?"]

    def case(counts, note=""):
        """Make a case.

        For each wording, `counts` says how many questions the story answers, and how many it does not.
        """
        asked = [
            (names[i], is_told)
            for i, pair in enumerate(counts)
            for is_told, n in zip((True, False), pair)
            for _ in range(n)
        ]
        chance.shuffle(asked)
        return Case((asked,), note)

    return [
        Case(([(names[0], False), (names[1], True), (names[1], False), (names[1], True)],)),
        case([(0, 4), (5, 0), (0, 2)], "for each wording, all stories give the answer or none do"),
        case([(3, 3), (2, 2)], "for each wording, half of the stories give the answer"),
        case([(6, 1), (1, 3), (0, 5)], "mixed"),
        case([(7, 2)], "a single wording"),
        Case(
            (
                [
                    (f"Where was the {who}?", told)
                    for who, told in (("cat", True), ("dog", False), ("cat", True), ("dog", False), ("hen", True))
                ],
            ),
            "wordings that differ in one word",
        ),
        Case(
            (
                [
                    ("Who fell?", True),
                    ("who fell?", False),
                    ("who fell?", False),
                    ("Who fell", True),
                    ("Who fell?", True),
                ],
            ),
            "wordings that differ only in a capital letter or a punctuation mark",
        ),
        case([(1, 9), (2, 1), (1, 2), (4, 0), (0, 1)], "wordings that differ in frequency"),
        case([(2, 5), (1, 2), (0, 3)], "most questions are not answered"),
        case([(5, 2), (4, 1), (3, 0)], "most questions are answered"),
        case([(chance.randrange(1, 6), chance.randrange(1, 6)) for _ in names]),
        case([(chance.randrange(1, 9), chance.randrange(0, 4)) for _ in names]),
    ]


BEST_BY_WORDING = Exercise(
    **TEXTS["best_by_wording"],
    reference=pairs.best_by_wording,
    cases=cases_best_by_wording,
    faulty=faulty_best_by_wording,
    double=False,
)


EXERCISES = (
    CHAT_TEXT,
    ANSWER_MASK,
    TARGETS,
    PACK,
    INTERVAL,
    BEST_BY_WORDING,
    LORA_LINEAR,
    MERGED,
    LEARN_ANSWERS,
    ADAPTED,
    KEPT_BY_RANK,
)
