"""A few cases of `tests/fuzzing.py`: a damaged file is loaded correctly or refused with a clear error."""

import pytest
from fuzzing import KINDS, Fuzz


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_load_correctly_or_are_refused_with_a_clear_error(kind, tmp_path):
    fuzz = Fuzz(kind, tmp_path)
    found = {number: fuzz.case(number) for number in range(60)}
    assert not {n: words for n, (outcome, words) in found.items() if outcome in ("raw", "hang", "silent")}
    assert sum(outcome == "error" for outcome, _ in found.values()) > 20
