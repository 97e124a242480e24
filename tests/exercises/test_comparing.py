"""`find_difference` finds a difference and shows where it is."""

import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.exercises.engine.comparing import find_difference


@given(
    sizes=st.lists(st.integers(1, 9), min_size=0, max_size=4),
    seed=st.integers(0, 99),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool]),
)
def test_a_single_changed_value_is_found_in_its_place(sizes, seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    expected = (10 * torch.randn(sizes, generator=generator, dtype=torch.float64)).to(dtype)
    assert find_difference(expected, expected.clone()) is None
    got = expected.clone()
    where = tuple(int(torch.randint(0, n, (), generator=generator)) for n in sizes)
    got[where] = ~got[where] if dtype == torch.bool else got[where] + 3
    names = [f"n{i}" for i in range(len(sizes))]
    difference = find_difference(expected, got, names)
    assert difference.what == "value"
    said = difference.parts[0].as_text().replace("\n", " ")
    assert f"1 of {expected.numel()} values differs" in said
    assert ", ".join(f"n{i} {at}" for i, at in enumerate(where)) in said


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([1, 2, 3], [1, 2]),
        ([1, 2], [1, 2, 3]),
        ([], [1]),
        ([1], []),
        ("abc", "abd"),
        ("ab", ""),
        (b"a", b"b"),
        (3, 4),
        (2.5, 2.6),
        ((1, 2), (2, 1)),
        ({(1, 2): 3}, {}),
        ({}, {(1, 2): 3}),
        ({1: 2}, {1: 3}),
        ([(1, 2)], [(1, 3)]),
        (float("inf"), 3.0),
        (None, 3),
    ],
)
def test_differences_between_plain_values_are_found(expected, got):
    assert find_difference(expected, expected) is None
    difference = find_difference(expected, got)
    assert difference is not None
    assert all(part.as_text() and part.as_html() for part in difference.parts)


def test_numbers_from_other_libraries_count_as_numbers():
    assert find_difference([1, 2], [np.int64(1), torch.tensor(2)]) is None
    assert find_difference((1, 2), [1, 2]).what == "form"
    assert find_difference([(1, 2)], [[1, 2]]) is None
    assert find_difference(2.5, np.float32(2.5)) is None
    assert find_difference({(1, 2): 3}, {(np.int64(1), 2): np.int64(3)}) is None


def test_an_int_is_accepted_for_a_float_in_a_tuple():
    assert find_difference((0.5, 1.0), (0.5, 1)) is None
    assert find_difference((0.5, 1.0), (0.5, 2)).what == "value"
    assert find_difference((0.5, 1.0), (0.5, True)).what == "form"
    assert find_difference((0, 1), (0, 1.0)).what == "form"


def shown(expected, got, axes=()):
    """Return the table of a difference as text."""
    table = find_difference(expected, got, axes).parts[-1]
    return textwrap.dedent(table.as_text())


def test_the_table_for_a_tensor_shows_found_and_expected_values():
    expected = torch.arange(6.0).reshape(2, 3)
    got = expected + torch.tensor([[0, 0, 0], [0.5, 0, float("nan")]])
    assert shown(expected, got) == textwrap.dedent("""\
        Yours ≠ expected
               column 0  column 1  column 2
        ─────  ────────  ────────  ────────
        row 0  0         1         2
        row 1  3.5 ≠ 3   4         nan ≠ 5""")
    assert find_difference(expected, got).parts[-1].marked == {(1, 1), (1, 3)}
    assert shown(torch.tensor([1, 2]), torch.tensor([1, 3]), ["seq"]) == textwrap.dedent("""\
        Yours ≠ expected
                seq 0  seq 1
        ──────  ─────  ─────
        values  1      3 ≠ 2""")


def test_the_table_for_a_large_tensor_is_a_window_around_the_first_difference():
    expected = torch.zeros(2, 9, 20, dtype=torch.int64)
    got = expected.clone()
    got[1, 8, 7] = 3
    assert shown(expected, got, ["batch", "query", "key"]) == textwrap.dedent("""\
        Yours ≠ expected, at batch 1
                 key 4  key 5  key 6  key 7  key 8  key 9
        ───────  ─────  ─────  ─────  ─────  ─────  ─────
        query 3  0      0      0      0      0      0
        query 4  0      0      0      0      0      0
        query 5  0      0      0      0      0      0
        query 6  0      0      0      0      0      0
        query 7  0      0      0      0      0      0
        query 8  0      0      0      3 ≠ 0  0      0""")


def test_the_tables_for_lists_and_dictionaries_show_the_places_that_differ():
    assert shown([1, 2, 3, 4, 5], [1, 2, 3, 9]) == textwrap.dedent("""\
        index  expected  yours
        ─────  ────────  ────────────
        1      2         2
        2      3         3
        3      4         9  ≠
        4      5         (nothing)  ≠""")
    assert shown({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == textwrap.dedent("""\
        key  expected   yours
        ───  ─────────  ─────
        'b'  2          3  ≠
        'c'  (nothing)  4  ≠""")


def test_the_table_for_a_wrong_shape_contains_the_names_of_the_axes():
    difference = find_difference(torch.zeros(2, 3), torch.zeros(2, 4, 1), ["query", "key"])
    assert textwrap.dedent(difference.parts[1].as_text()) == textwrap.dedent("""\
        axis          expected  yours
        ────────────  ────────  ─────
        query         2         2
        key           3         4  ≠
        (extra axis)  none      1  ≠""")
    assert difference.parts[1].marked == {(1, 2), (2, 2)}


def test_numbers_side_by_side_show_only_the_digits_that_distinguish_them():
    parts = find_difference((0.39677321997956516, 0.5), (0.42569152104864094, 0.5)).parts
    assert parts[1].rows == (("0", "0.3968", "0.4257  ≠"), ("1", "0.5", "0.5"))
