"""Two processes each sample a share of the prompts, and take the same steps."""

import json
import sys

import pytest
from training import forked

from preferences.conftest import PROMPTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="gloo is not started this way on Windows"),
]


def test_two_processes_share_the_prompts_and_the_gradients(tmp_path):
    codes, output = forked.run("preferences.processes", tmp_path, ranks=2)
    assert codes == [0, 0], output
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for over in ("sequence", "batch", "constant"):
        loss, gap, size = one[over]
        assert loss < 1e-5
        assert gap < 1e-4 * size
    assert (one["weights"], one["rewards"]) == (other["weights"], other["rewards"])
    assert sorted(one["prompts"] + other["prompts"]) == sorted(PROMPTS)
    assert len(one["prompts"]) == 2
    assert (tmp_path / "run" / "step-00000003").is_dir()
