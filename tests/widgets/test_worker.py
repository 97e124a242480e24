"""Actions are handled in a thread, in order, and work that is no longer needed is stopped."""

import threading
import time

import pytest

from llmlib.widgets.shared import worker as working
from llmlib.widgets.shared.acts import Acts, CalledOff
from llmlib.widgets.shared.worker import CANCELLED, INTERRUPTED, Worker


class Desk:
    """A worker in a kernel: it collects texts, and computes until it is called off."""

    def __init__(self):
        self.acts, self.sent, self.notices = Acts(), [], []
        self.texts, self.shown, self.begun = [], [], threading.Semaphore(0)
        self.endless = True
        self.acts.on("text", self.set_text, then=self.show)
        self.acts.on("glance", lambda: self.shown.append("glance"))
        self.worker = Worker(self.acts, self.sent.append, self.notices.append)

    def set_text(self, text):
        if not text:
            raise ValueError("Write some text.")
        self.texts.append(text)

    def show(self):
        self.begun.release()
        while self.endless:
            time.sleep(0.002)
            self.worker.check()
        self.shown.append(" ".join(self.texts))

    def ask(self, number, kind, client="page", **details):
        self.worker.ask(client, [{"number": number, "kind": kind, "details": details}])

    def until_working(self):
        assert self.begun.acquire(timeout=30)

    def until_idle(self):
        until(lambda: not self.worker.working)

    def answers(self):
        return [message for message in self.sent if "done" in message]


def until(true):
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def desk(monkeypatch):
    monkeypatch.setattr(working, "kernel", lambda: "a kernel")
    listening = []
    monkeypatch.setattr(working, "on_interrupt", lambda f: listening.append(f) or (lambda: listening.remove(f)))
    desk = Desk()
    desk.interrupt = lambda: [function() for function in list(listening)]
    yield desk
    desk.endless = False
    desk.until_idle()
    until(lambda: not listening)


def test_asking_does_not_block(desk):
    desk.ask(1, "text", text="a")
    desk.until_working()
    assert desk.sent == [{"client": "page", "begun": True}]
    desk.endless = False
    desk.until_idle()
    assert desk.shown == ["a"]
    assert desk.answers() == [{"client": "page", "done": 1, "refused": []}]


@pytest.mark.parametrize(("end", "said"), [("cancel", CANCELLED), ("interrupt", INTERRUPTED)])
def test_work_can_be_ended_and_the_next_action_is_handled(desk, end, said):
    desk.ask(1, "text", text="a")
    desk.until_working()
    desk.worker.call_off() if end == "cancel" else desk.interrupt()
    desk.until_idle()
    assert desk.answers() == [{"client": "page", "done": 1, "refused": [1]}]
    assert (desk.notices[-1], desk.shown) == (said, [])
    desk.endless = False
    desk.ask(2, "text", text="b")
    desk.until_idle()
    assert desk.shown == ["a b"]
    assert desk.notices[-1] == ""


def test_a_cancellation_that_comes_too_late_has_no_effect(desk):
    desk.endless = False
    desk.ask(1, "text", text="a")
    desk.until_idle()
    desk.worker.call_off()
    desk.ask(2, "text", text="b")
    desk.until_idle()
    assert [answer["refused"] for answer in desk.answers()] == [[], []]


def test_newer_actions_restart_the_work_that_they_need_and_nothing_is_lost(desk):
    desk.ask(1, "text", text="a")
    desk.until_working()
    desk.ask(2, "text", text="b")
    desk.until_working()
    desk.ask(3, "text", text="")  # refused, but the work under way is still done
    desk.until_working()
    desk.endless = False
    desk.until_idle()
    assert desk.shown == ["a b"]
    assert desk.answers() == [{"client": "page", "done": 3, "refused": [3]}]
    assert desk.notices[-1] == "Write some text."


def test_actions_that_do_not_need_the_current_work_wait_until_it_ends(desk):
    desk.ask(1, "text", text="a")
    desk.until_working()
    desk.ask(2, "glance")
    time.sleep(0.05)
    assert desk.shown == []
    desk.endless = False
    desk.until_idle()
    assert desk.shown == ["a", "glance"]


def test_each_page_gets_the_answers_to_its_own_actions(desk):
    desk.ask(7, "text", client="one", text="a")
    desk.until_working()
    desk.ask(7, "text", client="other", text="")
    desk.until_working()
    desk.endless = False
    desk.until_idle()
    assert desk.answers() == [
        {"client": "one", "done": 7, "refused": []},
        {"client": "other", "done": 7, "refused": [7]},
    ]


def test_an_action_that_ends_the_thread_is_still_answered(desk, monkeypatch):
    desk.acts.on("end", lambda: (_ for _ in ()).throw(SystemExit))
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)
    desk.ask(5, "end")
    desk.until_idle()
    until(desk.answers)
    (answer,) = desk.answers()
    assert answer["done"] == 5
    assert 5 in answer["refused"]


def test_check_raises_nothing_if_no_action_is_being_handled():
    Worker(Acts(), print, print).check()
    assert not issubclass(CalledOff, ValueError)
