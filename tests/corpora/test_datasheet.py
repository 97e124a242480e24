"""The datasheet of the corpora is correct."""

import importlib.util
import random
import re
from pathlib import Path

import pytest

from llmlib.corpora import tinytales_text

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_corpora", ROOT / "benchmarks" / "corpora.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def datasheet():
    return (ROOT / "data" / "README.md").read_text(encoding="utf-8")


def test_text_measures_give_known_values(benchmark):
    assert benchmark.words_of('"Isn\'t it?" said Pip.') == ['"', "isn't", "it", "?", '"', "said", "pip", "."]
    assert benchmark.repeated_share(["a"] * 10, n=8) == pytest.approx(2 / 3)
    assert benchmark.repeated_share("abcdefghijklm", n=8) == 0
    assert benchmark.entropy_of_ngrams("ab" * 5_000) < 0.01
    coins = random.Random(0).choices("ht", k=50_000)
    assert benchmark.entropy_of_ngrams(coins) == pytest.approx(1, abs=0.01)


def test_the_datasheet_shows_stories_that_the_generator_makes(benchmark, datasheet):
    assert benchmark.datasheet_stories() in datasheet


def test_the_counts_in_the_datasheet_are_correct(datasheet):
    from llmlib.corpora.tinytales import shapes, villagers, world_facts, world_questions

    for count, what in (
        (len(shapes()), "story shapes"),
        (len(villagers()), "villagers"),
        (len(world_facts()), "fixed facts"),
        (len(world_questions()), "questions without a story"),
    ):
        assert f"{count} {what}" in datasheet


@pytest.mark.slow
def test_the_statistics_in_the_datasheet_are_correct(benchmark, datasheet, shakespeare):
    assert benchmark.datasheet_table() in datasheet


@pytest.fixture(scope="module")
def ten_million():
    return tinytales_text(10_000_000)


@pytest.mark.slow
def test_the_totals_in_the_datasheet_are_correct(datasheet, ten_million):
    stories = ten_million.split("\n\n")[:-1]
    words = set(re.findall(r"[a-z]+(?:['-][a-z]+)*", ten_million.lower()))
    assert f"{len(stories):,} stories with {len(words):,} different words" in datasheet


@pytest.mark.slow
def test_ten_million_characters_have_many_words_and_no_repeated_story(ten_million):
    story_list = ten_million.split("\n\n")[:-1]
    assert len(set(story_list)) == len(story_list) > 10_000
    assert len(set(re.findall(r"[a-z]+(?:'[a-z]+)?", ten_million.lower()))) >= 1_500
    assert re.fullmatch(r"[ -~\n]*", ten_million)  # plain ASCII
