"""Loaded by `make test`: how its workers share the work. Each file goes to one of them as a whole.

A worker that opens a browser loads JupyterLab once, whatever it tests there. So one of the workers gets other tests,
and the browser's begin first: they are the longest piece of work.

A browser often waits. In a run with lessons the last worker uses what is left then: it runs lessons alone, which have
no limits of time, and the other workers come before it. As one among equals it would take their turns, and all take a
tenth more processor time then (measured).
"""

import os

import pytest
from xdist.scheduler import LoadFileScheduling

BROWSER, LESSONS = "tests/browser/", "notebooks"
# Then the rest, in small pieces. Before the lessons comes so much that some are left for as long as a browser waits.
ORDER = (BROWSER, "tests/exercises/", "tests/site/", "tests/training/", LESSONS)
BEHIND = 5  # by how much the last worker is nicer: it gets a quarter of the turns where another wants them too


def behind(config, workers):
    """Return the name of the worker that runs lessons behind the others, if there is one."""
    lessons = getattr(config.option, "nbval", False) and any(name.startswith(LESSONS) for name in config.args)
    return f"gw{workers - 1}" if lessons and workers > 1 else None


def is_behind(config):
    worker = getattr(config, "workerinput", None)
    return worker is not None and worker["workerid"] == behind(config, worker["workercount"])


def pytest_configure(config):
    if is_behind(config):
        config.args = [name for name in config.args if name.startswith(LESSONS)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the tests in order, those of a kind as they are."""
    kinds = (*ORDER, "")
    items.sort(key=lambda item: next(number for number, kind in enumerate(kinds) if item.nodeid.startswith(kind)))


def pytest_collection_finish(session):
    """Until here the others wait for all, and so the one that is behind may be as quick as they are."""
    if is_behind(session.config) and hasattr(os, "nice"):
        os.nice(BEHIND)


class FewLabs(LoadFileScheduling):
    """What opens JupyterLab goes to all workers but one; the worker that is behind gets lessons, while some are left.

    That worker has collected lessons alone.
    """

    def __init__(self, config, log=None):
        super().__init__(config, log)
        self.labs = {}
        self.behind = behind(config, self.numnodes)
        self.most_labs = max(1, self.numnodes - 1 - bool(self.behind))

    def _check_nodes_have_same_collection(self):
        """Leave out the worker that is behind. It comes last: the first has to know all tests, and if there is less to
        do than there are workers, the last ones get nothing.
        """
        known = self.registered_collections
        last = {node: known.pop(node) for node in [*known] if node.gateway.id == self.behind}
        same = super()._check_nodes_have_same_collection()
        for node, lessons in last.items():
            known[node] = lessons
            self.assigned_work[node] = self.assigned_work.pop(node)
        return same

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        if not file.startswith(BROWSER):
            return file
        return self.labs.setdefault(file, f"lab {len(self.labs) % self.most_labs}")

    def _assign_work_unit(self, node):
        if node.gateway.id == self.behind:
            lesson = next((scope for scope in self.workqueue if scope.startswith(LESSONS)), None)
            if lesson is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(lesson, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return FewLabs(config, log)
