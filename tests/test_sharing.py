"""Each worker of `make test` gets the right tests. The workers here are stand-ins."""

from types import SimpleNamespace

import pytest
import sharing
from xdist.remote import Producer


class Worker:
    """A stand-in that records which tests it was given, and how many of them it has finished."""

    def __init__(self, number, tests):
        self.gateway, self.tests, self.shutting_down = SimpleNamespace(id=f"gw{number}"), tests, False
        self.given, self.finished = [], 0

    def send_runtest_some(self, numbers):
        self.given += [self.tests[number] for number in numbers]

    def shutdown(self):
        self.shutting_down = True

    @property
    def files(self):
        return [*dict.fromkeys(test.partition("::")[0] for test in self.given)]


def run(files, workers, nbval=True):
    """Return the files that each worker runs if they take turns. The background worker reports its tests first."""
    tests = [f"{file}::test_{number}" for file in files for number in range(3)]
    options = SimpleNamespace(nbval=nbval, loadscopereorder=False)
    config = SimpleNamespace(option=options, args=["notebooks", "tests"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xdist.scheduler.loadscope.parse_tx_spec_config", lambda _: [None] * workers)
        scheduler = sharing.FewLabs(config, log=Producer("", enabled=False))
    lessons = [test for test in tests if test.startswith("notebooks/")]
    background = sharing.background_worker(config, workers)
    nodes = [Worker(n, lessons if f"gw{n}" == background else tests) for n in range(workers)]
    for node in reversed(nodes):
        scheduler.add_node(node)
    for node in reversed(nodes):
        scheduler.add_node_collection(node, node.tests)
    scheduler.schedule()
    for _ in tests:
        for node in nodes:
            if node.finished < len(node.given):
                node.finished += 1
                scheduler.mark_test_complete(node, node.tests.index(node.given[node.finished - 1]))
    assert all(node.shutting_down for node in nodes)
    return [node.files for node in nodes]


LABS = ["tests/browser/test_a.py", "tests/browser/test_b.py", "tests/browser/test_c.py"]
NOTEBOOKS = ["notebooks/01.ipynb", "notebooks/02.ipynb", "notebooks/03.ipynb"]
OTHERS = ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py"]


def test_one_worker_runs_only_lessons_and_only_one_other_opens_the_browser():
    first, second, last = run([*LABS, *NOTEBOOKS, *OTHERS], workers=3)
    everything = {*LABS, *NOTEBOOKS, *OTHERS}
    assert {*first, *second, *last} == everything
    assert sum(map(len, (first, second, last))) == len(everything)
    assert last
    assert {*last} <= {*NOTEBOOKS}
    assert {*LABS} <= {*first} or {*LABS} <= {*second}


def test_without_lessons_there_is_no_background_worker():
    first, second, last = run([*LABS, *OTHERS], workers=3, nbval=False)
    assert first
    assert second
    assert last
    assert sum(bool({*files} & {*LABS}) for files in (first, second, last)) == 2


@pytest.mark.parametrize("file", [OTHERS[0], NOTEBOOKS[0], LABS[0]])
@pytest.mark.parametrize("workers", [2, 3])
def test_a_single_file_goes_to_a_worker_that_may_run_it(file, workers):
    assert [files for files in run([file], workers) if files] == [[file]]
