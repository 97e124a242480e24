"""Exercises for lesson 01: byte-pair encoding, from finding the most common pair to decoding."""

import random
from pathlib import Path

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.lessons.lesson_01_tokenization.faulty import faulty_count_pairs, faulty_most_common_pair
from llmlib.exercises.lessons.lesson_01_tokenization.faulty_decoding import faulty_decode
from llmlib.exercises.lessons.lesson_01_tokenization.faulty_encoding import faulty_encode
from llmlib.exercises.lessons.lesson_01_tokenization.faulty_merging import faulty_merge
from llmlib.exercises.lessons.lesson_01_tokenization.faulty_training import faulty_train
from llmlib.exercises.lessons.lesson_01_tokenization.tokenizing import DETOKENIZE, READ_VOCABULARY, TOKENIZE
from llmlib.tokenization import simple_bpe

TEXTS = texts_of(Path(__file__).parent)
WORDS = (
    "low",
    "lower",
    "lowest",
    "new",
    "newer",
    "wide",
    "aaa",
    "banana",
    "hug",
    "hugs",
    "über",
    "naïve",
    "日本",
    "🙂",
)


LETTERS = "".join(map(chr, range(33, 123)))  # ninety distinct characters, so each learned pair needs a separate round
LONG_CHARACTERS = "🙂𝄞"  # two characters of four bytes each; these bytes form seven pairs, all different


def random_ids(rng: random.Random, length: int, kinds: int = 3) -> list[int]:
    return [rng.randrange(1, kinds + 1) for _ in range(length)]


def random_text(rng: random.Random, n_words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(n_words))


# --- tokenization.most_common_pair ---


def cases_most_common_pair(seed):
    rng = random.Random(seed)
    return [
        Case(([7, 8, 7, 8, 9],)),
        Case(([],), "no ids at all"),
        Case(([5],), "a single id, so no pair"),
        Case(([5, 4],), "a single pair"),
        Case(([6, 2, 6, 2, 1, 9, 1, 9, 1],), "several pairs occur equally often, and a later pair is the smallest"),
        Case(([1, 3, 9, 1, 2, 9],), "all pairs occur equally often, and two have the same first id"),
        Case(([30, 4, 8, 5, 30, 4, 8, 5],), "three pairs occur equally often, with one-digit and two-digit ids"),
        Case(([3, 3, 3, 3, 1, 2, 1, 2, 3],), "a run of equal ids, in which pairs overlap"),
        Case(([7, 7, 3, 7, 7, 4, 7, 7],), "runs of two equal ids, which form the most frequent pair"),
        Case(([9, 1, 4, 2, 9, 1, 4, 2],), "three pairs occur equally often"),
        Case(([2, 1, 5, 1, 2, 6, 2, 1, 7, 1, 2, 8, 4, 9, 4, 9, 4, 9],), "(1, 2) and (2, 1) both occur"),
        *(Case((random_ids(rng, 4 + n, 2 + n % 3),)) for n in range(30)),
    ]


MOST_COMMON_PAIR = Exercise(
    **TEXTS["most_common_pair"],
    reference=simple_bpe.most_common_pair,
    cases=cases_most_common_pair,
    faulty=faulty_most_common_pair,
)


# --- tokenization.merge ---


def cases_merge(seed):
    rng = random.Random(seed)
    return [
        Case(([5, 6, 7, 5, 6], (5, 6), 256)),
        Case(([], (1, 2), 256), "no ids at all"),
        Case(([1], (1, 2), 256), "a single id"),
        Case(([1, 2], (1, 2), 256), "only the pair"),
        Case(([3, 2, 1], (1, 2), 256), "the pair does not occur"),
        Case(([5, 6, 5, 6, 5, 6], (5, 6), 257), "the pair occurs three times in a row"),
        Case(([4, 4, 4, 9], (4, 4), 300), "three equal ids: only two of them can form a pair"),
        Case(([1, 2, 1, 3, 2, 1, 2, 2, 3], (1, 2), 257)),
        Case(([15, 6, 7, 5, 60, 5, 6], (5, 6), 258), "multi-digit ids"),
        *(Case((random_ids(rng, n, 2), (rng.randint(1, 2), rng.randint(1, 2)), 256 + n)) for n in (9, 17, 33, 34, 65)),
        Case((random_ids(rng, 40, 2), (1, 1), 270)),
    ]


def merge_keeps_the_text(call, case):
    ids, pair, new_id = case.args
    back = [x for id in call(ids, pair, new_id) for x in (pair if id == new_id else (id,))]
    if back != list(ids):
        return f"Replacing each {new_id} in your result with {pair} gives {back[:12]}, but the input was {ids[:12]}."
    return None


class Handed(list):
    """A list that `deepcopy` does not copy, so that a probe can recognise it in the result."""

    def __deepcopy__(self, _memo):
        return self


def own_list_returned(call, case):
    ids, pair, new_id = case.args
    handed = Handed(ids)
    if call(handed, pair, new_id) is handed:
        return (
            "Your function returns the list that it was given, so a change to the result also changes the input. "
            "`list(ids)` creates a new list."
        )
    return None


MERGE = Exercise(
    **TEXTS["merge"],
    reference=simple_bpe.merge,
    cases=cases_merge,
    faulty=faulty_merge,
    probes=(
        Probe("Splitting each new id back into its pair restores the old ids.", merge_keeps_the_text),
        Probe("The result is a new list.", own_list_returned),
    ),
)


# --- tokenization.count_pairs ---


def cases_count_pairs(seed):
    rng = random.Random(seed)

    def pieces(n, length):
        return {tuple(random_ids(rng, rng.randint(1, length), 3)): rng.randint(1, 9) for _ in range(n)}

    return [
        Case(({(1, 2, 3): 10, (2, 3): 1},)),
        Case(({},), "no pieces"),
        Case(({(7,): 5},), "a piece with only one id"),
        Case(({(4, 4, 4): 2},), "a run of equal ids: the pair occurs twice and overlaps itself"),
        Case(({(1, 2): 1, (3, 4): 1},), "two pieces, one after the other"),
        Case(
            ({(1, 2, 1, 2, 5): 3, (2, 1): 4, (5, 5, 5): 2, (9,): 6},),
            "a pair occurs twice in one piece, and also in reverse order",
        ),
        Case(({(6, 7, 8): 2, (7, 8): 5, (6, 7): 3},), "pairs that occur in several pieces"),
        *(Case((pieces(n, length),)) for n, length in ((3, 4), (6, 5), (12, 6))),
    ]


COUNT_PAIRS = Exercise(
    **TEXTS["count_pairs"],
    reference=simple_bpe.count_pairs,
    cases=cases_count_pairs,
    faulty=faulty_count_pairs,
    arguments=("pieces",),
)


# --- tokenization.train ---


def cases_train(seed):
    rng = random.Random(seed)
    return [
        Case(("hug hugs", 2)),
        Case(("", 5), "an empty text"),
        Case(("a", 5), "a single character"),
        Case(("low lower", 0), "no merges requested"),
        Case(("abc", 5), "more merges requested than there are pairs"),
        Case(("日本日本", 4), "three-byte characters"),
        Case(("aaaaaaaa", 3)),
        Case(("aaaaxyxyxy", 4), "a run of equal letters, in which pairs overlap"),
        Case(("aaabaaabaaab", 4), "runs of three equal letters"),
        Case(("hug hugs hug", 258), "more than 256 merges requested"),
        Case(("  Hug hug Hug  ", 3), "capital letters, and spaces at both ends"),
        *(Case((random_text(rng, n), merges)) for n, merges in ((6, 6), (12, 10), (20, 12))),
        Case((random_text(rng, 8) + " über naïve 日本", 15)),
        Case((LONG_CHARACTERS, 20), "four-byte characters, merged until one token is left"),
    ]


TRAIN = Exercise(
    **TEXTS["train"],
    reference=simple_bpe.train,
    helpers=(simple_bpe.most_common_pair, simple_bpe.merge),
    cases=cases_train,
    faulty=faulty_train,
)


# --- tokenization.encode ---


# If two solutions apply the merges in different orders, their ids differ for at least one of these texts.
TANGLED = [
    ("dcbaacdcdcadcdcddcaca", [(100, 99), (99, 100), (100, 100), (98, 97), (99, 258), (258, 258), (257, 99)]),
    ("ccdacadaadcaaddcaad", [(97, 97), (99, 97), (97, 99), (256, 256), (256, 257), (100, 258), (257, 98), (100, 97)]),
    ("cbbcdbabcaddcddadcbcda", [(97, 98), (98, 98), (98, 99), (99, 97), (256, 99), (100, 99), (260, 97)]),
]


def cases_encode(seed):
    rng = random.Random(seed)
    hug = [(117, 103), (104, 256)]  # ug, hug
    learned = simple_bpe.train(random_text(rng, 40), 30)
    return [
        Case(("hugs", hug)),
        Case(("", hug), "an empty text"),
        Case(("xyz", hug), "no merge applies"),
        Case((" hug  hugs ", [(32, 104), *hug]), "spaces at both ends and in the middle"),
        Case(("Hug HUG hug", hug), "capitals"),
        Case(
            ("hab hug", [(122, 122), (97, 98), (104, 117), (104, 257), (258, 103)]),
            "merges that this text does not need",
        ),
        Case(("abab", []), "no merges were learned"),
        Case(("abc", [(98, 99), (97, 98)]), "two merges compete for the same b"),
        Case(("ababc", [(97, 98), (98, 99), (256, 256), (97, 257)]), "some learned tokens never appear"),
        Case(
            ("abcbcabab", [(98, 99), (97, 98), (97, 256)]),
            "one pair is more frequent in this text, but another was learned first",
        ),
        Case(("hughug hug", hug), "a pair that occurs several times"),
        Case(("日本 hug 日", [(230, 151), (256, 165), *[(117, 103)]]), "multi-byte characters"),
        Case(("aabaaab", [(97, 98), (97, 97), (97, 256)]), "a run of equal letters, in which pairs overlap"),
        Case(("aaab aaaaa", [(97, 97), (256, 97)]), "odd-length runs of the same letter"),
        *(Case(case, "merges that compete for the same bytes") for case in TANGLED),
        *(Case((random_text(rng, n), learned[: 10 * n])) for n in (2, 3, 4, 6, 9, 12)),
        *(Case((" ".join([rng.choice(WORDS)] * n), learned), "one word, repeated many times") for n in (2, 3, 4)),
        Case(
            (LONG_CHARACTERS, simple_bpe.train(LONG_CHARACTERS, 7)),
            "four-byte characters, merged until one token is left",
        ),
        Case((LETTERS, simple_bpe.train(LETTERS, 60)), "sixty distinct merges in one text"),
    ]


def ids_that_exist(call, case):
    text, merges = case.args
    largest = max(call(text, merges), default=0)
    last = 255 + len(merges)
    if largest <= last:
        return None
    return (
        f"Your result contains {largest}. With {len(merges)} merges, the largest possible id is {last}, whatever the "
        "text."
    )


ENCODE = Exercise(
    **TEXTS["encode"],
    reference=simple_bpe.encode,
    helpers=(simple_bpe.merge,),
    cases=cases_encode,
    faulty=faulty_encode,
    probes=(Probe("Every id in the result stands for a byte or for a merge.", ids_that_exist),),
)


# --- tokenization.decode ---


def cases_decode(seed):
    rng = random.Random(seed)
    hug = [(117, 103), (104, 256)]
    learned = simple_bpe.train(random_text(rng, 40), 30)

    nested = [(97, 98), *((256 + n, 97 + n % 7) for n in range(119))]

    def coded(n):
        return simple_bpe.encode(random_text(rng, n), learned)

    return [
        Case(([257, 115], hug)),
        Case(([], hug), "no ids"),
        Case(([104, 105], []), "only bytes"),
        Case((list("é".encode()), []), "a character whose two bytes are separate tokens"),
        Case(([*b"a", *"日".encode()[:2]], []), "the last character is incomplete: its third byte is missing"),
        Case(([255, 104, 105], []), "a byte that UTF-8 never uses"),
        Case(([32, 257, 10, 257, 32, 32], hug), "spaces at both ends, and a line break"),
        Case(([259, 256, 258], [(117, 103), (104, 256), (257, 115), (258, 258)]), "tokens within tokens within tokens"),
        *(Case((coded(n), learned)) for n in (2, 5, 9)),
        Case((simple_bpe.encode("naïve über 日本 🙂", learned[:3]), learned)),
        Case(([375, 258], nested), "120 merges, each of which uses the token from the previous merge"),
    ]


DECODE = Exercise(
    **TEXTS["decode"],
    reference=simple_bpe.decode,
    cases=cases_decode,
    faulty=faulty_decode,
)

EXERCISES = (MOST_COMMON_PAIR, MERGE, COUNT_PAIRS, TRAIN, ENCODE, DECODE, TOKENIZE, DETOKENIZE, READ_VOCABULARY)
