"""Share the work among the workers of `make test`, which loads this plugin. Each file goes to one worker as a whole.

A worker that opens a browser loads JupyterLab once, however many tests it runs. So one worker gets no browser tests.
The browser tests start first, because they take longest.

A worker often waits for its browser. In a run with lessons, the last worker uses the processor in the meantime. This
background worker runs only lessons, which have no time limits of their own, and has a lower priority than the others.
With the same priority it would slow them down, and the whole run would need a tenth more processor time (measured).
"""

import os

import pytest
from xdist.scheduler import LoadFileScheduling

BROWSER, LESSONS = "tests/browser/", "notebooks"
# All other tests come last, in small pieces. The lessons come late enough that some are left while browsers wait.
ORDER = (BROWSER, "tests/exercises/", "tests/site/", "tests/training/", LESSONS)
NICENESS = 5  # gives the background worker a quarter of the turns when another worker wants them too


def background_worker(config, workers):
    """Return the name of the background worker, if there is one."""
    lessons = getattr(config.option, "nbval", False) and any(name.startswith(LESSONS) for name in config.args)
    return f"gw{workers - 1}" if lessons and workers > 1 else None


def is_background_worker(config):
    worker = getattr(config, "workerinput", None)
    return worker is not None and worker["workerid"] == background_worker(config, worker["workercount"])


def pytest_configure(config):
    if is_background_worker(config):
        config.args = [name for name in config.args if name.startswith(LESSONS)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Sort the tests by kind, but keep their order within each kind."""
    kinds = (*ORDER, "")
    items.sort(key=lambda item: next(number for number, kind in enumerate(kinds) if item.nodeid.startswith(kind)))


def pytest_collection_finish(session):
    """Lower the background worker's priority now: earlier it had to be quick, because all workers waited for it."""
    if is_background_worker(session.config) and hasattr(os, "nice"):
        os.nice(NICENESS)


class FewLabs(LoadFileScheduling):
    """Keep one worker free of JupyterLab, and give the background worker lessons while any are left.

    The background worker has collected only lessons.
    """

    def __init__(self, config, log=None):
        super().__init__(config, log)
        self.labs = {}
        self.background = background_worker(config, self.numnodes)
        self.most_labs = max(1, self.numnodes - 1 - bool(self.background))

    def _check_nodes_have_same_collection(self):
        """Leave the background worker out of the comparison, and move it to the end.

        The first worker must have all tests. If there are fewer pieces of work than workers, the last ones get nothing.
        """
        collections = self.registered_collections
        last = {node: collections.pop(node) for node in [*collections] if node.gateway.id == self.background}
        same = super()._check_nodes_have_same_collection()
        for node, lessons in last.items():
            collections[node] = lessons
            self.assigned_work[node] = self.assigned_work.pop(node)
        return same

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        if not file.startswith(BROWSER):
            return file
        return self.labs.setdefault(file, f"lab {len(self.labs) % self.most_labs}")

    def _assign_work_unit(self, node):
        if node.gateway.id == self.background:
            lesson = next((scope for scope in self.workqueue if scope.startswith(LESSONS)), None)
            if lesson is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(lesson, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return FewLabs(config, log)
