"""Stories are reproducible, grammatical and consistent; held-out ones are new combinations; errors are reported."""

import hashlib
import importlib
import itertools
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.corpora.tinytales import chance, script, world
from llmlib.corpora.tinytales.teller import tell

tt = importlib.import_module("llmlib.corpora.tinytales")  # the package; `corpora.tinytales` is the function

# The seed, split and index of any story, for `tell`.
numbers = st.tuples(st.integers(0, 2**64 - 1), st.sampled_from(tt.SPLITS), st.integers(0, 10_000_000))

# If these change, every number in the course that depends on the stories changes with them.
FIRST_100_000 = {
    "train": "2675372fec1c29b875384bfbd14732747583e81a4f79391c938297dda2d7aade",
    "validation": "5c3949ab22c6fde30b404f9b0ff0e81827c0b1ddafcb58d48ada050329f218c8",
    "heldout": "3406d6ba12690b9b97a7428f5062c5a11f904df9ae1d24d9edac372176f9ec77",
}


@pytest.mark.parametrize("split", tt.SPLITS)
def test_the_text_for_a_given_seed_never_changes(split):
    text = tt.tinytales_text(100_000, seed=0, split=split)[:100_000]
    assert hashlib.sha256(text.encode("utf-8")).hexdigest() == FIRST_100_000[split]


@pytest.mark.slow
def test_the_text_is_the_same_in_another_process():
    code = (
        "import sys; from llmlib.corpora import tinytales_text as text; "
        "sys.stdout.buffer.write(text(50_000, seed=3).encode())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout == tt.tinytales_text(50_000, seed=3).encode()


def test_the_random_number_generator_gives_known_values():
    dice = chance.Dice(1, 2, 3)
    assert [round(dice.random(), 6) for _ in range(3)] == [0.212548, 0.079585, 0.828554]
    assert chance.mix(0) == 0xE220A8397B1DCDAF  # the first output of splitmix64 with seed 0, as its authors publish it
    assert sorted(chance.Dice(0).sample("abc", 5)) == ["a", "b", "c"]


@pytest.mark.parametrize("n", [1, 2, 7, 54])
def test_zipf_draws_the_nth_option_one_nth_as_often_as_the_first(n):
    steps = 100_000
    drawn = Counter(chance.zipf((i + 0.5) / steps, n) for i in range(steps))
    assert sorted(drawn) == list(range(n))
    for index in range(n):
        assert drawn[index] == pytest.approx(drawn[0] / (index + 1), abs=2)
    assert chance.zipf(1 - 2**-53, n) == n - 1  # the largest number that random() can return


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_few_villagers_and_shapes_are_common_and_most_are_rare(split):
    stories = list(tt.tinytales(n_stories=600, split=split))
    heroes = [story.hero.name for story in stories if story.hero.is_villager]
    ten_first = {who.name for who in tt.villagers()[:10]}
    assert len(heroes) / 2 < sum(name in ten_first for name in heroes) < len(heroes)
    shapes = Counter(story.shape for story in stories)
    first, second, *_, last = tt.shapes()
    assert shapes[first] > 1.4 * shapes[second] > 5 * shapes[last]


def test_iteration_yields_the_same_stories_as_tell():
    stories = list(tt.tinytales(seed=5, split="validation", n_stories=4, start=2))
    assert [story.index for story in stories] == [2, 3, 4, 5]
    assert [story.text for story in stories] == [tell(5, "validation", i).text for i in range(2, 6)]


def test_text_has_an_empty_line_after_each_story():
    text = tt.tinytales_text(5_000, seed=2)
    stories = list(tt.tinytales(seed=2, characters=5_000))
    assert text == "".join(story.text + "\n\n" for story in stories)
    assert 5_000 <= len(text) < 5_000 + len(stories[-1].text) + 2


def test_texts_differ_between_seeds_and_splits():
    texts = [tt.tinytales_text(2_000, seed=seed, split=split) for seed in (0, 1, -1) for split in tt.SPLITS]
    assert len(set(texts)) == 9


@pytest.mark.slow
def test_held_out_compositions_occur_nowhere_else():
    stories = {
        split: [tell(0, split, i).composition for i in range(n)] for split, n in zip(tt.SPLITS, (1500, 500, 500))
    }
    assert all(tt.is_held_out(*composition) for composition in stories["heldout"])
    elsewhere = {*stories["train"], *stories["validation"]}
    assert not any(tt.is_held_out(*composition) for composition in elsewhere)
    assert not elsewhere & set(stories["heldout"])
    # Only the combination is new: each of its parts occurs in the training split.
    for part in range(3):
        assert {c[part] for c in stories["heldout"]} <= {c[part] for c in stories["train"]}


def test_there_are_several_dozen_shapes_and_all_are_used():
    assert len(tt.shapes()) >= 48
    assert {story.shape for story in tt.tinytales(n_stories=1_000)} == set(tt.shapes())


# --- every story reads well -----------------------------------------------------------------------------------------


SAYING = "said|asked|cried|thought|called|shouted|whispered|sighed|muttered"


@given(numbers)
def test_stories_are_grammatical(number):
    story = tell(*number)
    text = story.text
    assert 3 <= len(text.split("\n")) <= 5
    assert not re.search(r"[{}\[\]|%^@_]|  | [,.!?]|[,.!?][,;]|\.\.", text), "markup of the script is left in the story"
    assert not re.search(r"\b[Aa] (?!useful)[aeiou]|\b[Aa]n (?!hour)[^aeiou]", text), "a wrong article (a or an)"
    assert not re.search(r"[.!?] [a-z]", text), "a sentence begins with a lower-case letter"
    assert not re.search(r"\b(?!(?:had|that|round|tick|bump)\b)(\w+) \1\b", text, re.I), "a word occurs twice in a row"
    for paragraph in text.split("\n"):
        assert re.match(r'"?[A-Z]', paragraph)
        assert re.search(r'[.!?]"?$', paragraph)
        assert paragraph.count('"') % 2 == 0
        assert not re.search(r'(^| )" |\w"\w', paragraph), "a quotation mark on the wrong side"
        assert not re.search(rf'[.]" ({SAYING})|[.]" (He|She) ({SAYING})[.]', paragraph), "a full stop before 'said'"


CAPITALISED_ANYWAY = {
    *("I", "Dear", "Plough", "North", "Star", "Swan", "Little", "Bear", "Milky", "Way", "Sharing", "Spring"),
    *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Mondays", "Tuesdays", "Sundays"),
    *("May", "Easter", "Christmas"),
}


@given(numbers)
def test_only_members_of_the_cast_are_named(number):
    story = tell(*number)
    inside = re.findall(r"(?<=[a-z,] )[A-Z]\w*", story.text)  # capitalised words within a sentence
    assert set(inside) - CAPITALISED_ANYWAY <= {who.name for who in story.cast}
    assert story.hero in story.entities


@given(numbers)
def test_characters_keep_their_kind_home_possession_and_work(number):
    story = tell(*number)
    callings = {who.known_as.split(" the ")[1].split()[0] for who in tt.villagers()}  # "rabbit", "drummer", "miller's"
    for who in story.cast:
        for kind in re.findall(rf"\b{who.name} the ([\w']+)", story.text):
            assert f"{who.name} the {kind}" in who.known_as or kind not in callings
        for home in re.findall(rf"\b{re.escape(who.known_as)} lived (.*?)(?:\.|, with)", story.text):
            assert home == who.lives
        for thing in re.findall(rf"{who.known_as} had a wonderful thing at home. It was (.*?)\.", story.text):
            assert thing == who.owns
        for work in re.findall(rf"{who.known_as}, who ([^.,]*), (?:woke|had nothing|was up)", story.text):
            assert work == who.worked


@given(numbers)
def test_pronouns_fit_the_cast(number):
    story = tell(*number)
    genders = {who.gender for who in story.entities}
    narrated = re.sub(r'"[^"]*"', "", story.text)
    if genders == {"f"}:
        assert not re.search(r"\b(he|him|his|himself)\b", narrated, re.I)
    if genders == {"m"}:
        assert not re.search(r"\b(she|hers|herself|her)\b", narrated, re.I)


@given(numbers)
def test_a_pronoun_at_the_start_of_a_sentence_is_not_ambiguous(number):
    """No sentence that names two characters of one gender comes before one that starts with their pronoun."""
    story = tell(*number)
    for gender, pronoun in (("f", "She"), ("m", "He")):
        rivals = [who.name for who in story.entities if who.gender == gender]
        if len(rivals) < 2:
            continue
        for paragraph in story.text.split("\n"):
            narrated = re.sub(r'"[^"]*"', "…", paragraph)
            for sentence in re.findall(rf"([^.!?…]*)[.!?…] {pronoun} ", narrated):
                assert len([name for name in rivals if re.search(rf"\b{name}\b", sentence)]) <= 1, paragraph


# --- the world --------------------------------------------------------------------------------------------------------


def test_no_two_villagers_share_a_name_home_or_possession():
    for attribute in ("name", "lives", "owns", "known_as"):
        values = [getattr(who, attribute) for who in tt.villagers()]
        assert len(set(values)) == len(values), attribute
    assert not {who.name for who in tt.villagers()} & {who.name for who in world.newcomers()}
    assert {who.kind for who in tt.villagers()} == set(world.kinds())


def test_each_fact_has_a_sentence_and_a_question():
    facts = tt.world_facts()
    assert len(facts) == 5 * len(tt.villagers())
    for fact in facts:
        assert fact.value.split(" ", 1)[-1] in fact.sentence
        assert fact.name in fact.question
        assert fact.question.endswith("?")
    assert len({fact.question for fact in facts}) == len(facts)


@pytest.mark.parametrize(
    ("phrase", "expected"), [("apple", "an apple"), ("old map", "an old map"), ("red kite", "a red kite")]
)
def test_phrases_get_the_right_article(phrase, expected):
    assert world.with_article(phrase) == expected


# --- the language of the scripts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "genders", "expected"),
    [
        ("{a} met {b}. {a.he} smiled.", "mf--", "%(a)s met %(b)s. He smiled."),
        ("{a} met {b}. {a.he} smiled.", "ff--", "%(a)s met %(b)s. %(a)s smiled."),
        ("{a} lost {a.his} hat.", "ff--", "%(a)s lost her hat."),
        ("{a} and {b} lost {a.his} hat.", "ff--", "%(a)s and %(b)s lost %(a)s's hat."),
        ('"Yes," said {a.he}.', "m---", '"Yes," said he.'),
        ("{p.at} it was warm.", "m---", "%(p.at^)s it was warm."),
    ],
)
def test_pronouns_become_names_where_they_would_be_ambiguous(text, genders, expected):
    assert script.compile_text(text, genders) == expected


def test_alternatives_are_expanded_to_all_combinations():
    assert script.expand("[a|b] [c|d|]!") == ["a c!", "a d!", "a !", "b c!", "b d!", "b !"]
    with pytest.raises(script.ScriptError, match="variants"):
        script.expand("[a|b|c|d|e|f|g]" * 4)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hello", "x:1: text before"),
        ("+++ a\nb\n+++ a\nc", "defined twice"),
        ("=== a\n---\nno star", "x:3: a line outside"),
        ("=== a\nthing: toy\n---\n* b", "no field 'about'"),
        ("=== a\nlet x, y = 1 | 2\n---", "one value for each name"),
        ("=== a\n---\n@ way", "expected @name"),
    ],
)
def test_mistakes_in_a_script_are_reported(source, message):
    with pytest.raises(script.ScriptError, match=message):
        script.parse(source, "x")


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "test"}, "unknown split 'test': expected one of 'train', 'validation', 'heldout'"),
        ({"characters": 0}, "characters must be 1 or more, got 0"),
        ({"n_stories": -1}, "n_stories must be 1 or more, got -1"),
        ({"n_stories": 1, "characters": 1}, "not both"),
        ({"start": -1}, "start must be 0 or more"),
    ],
)
def test_bad_arguments_are_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        tt.tinytales(**arguments)


def test_sizes_must_be_whole_numbers():
    with pytest.raises(TypeError):
        tt.tinytales(characters=10.5)


def test_without_a_size_the_stories_never_end():
    assert sum(1 for _ in itertools.islice(tt.tinytales(), 25)) == 25
