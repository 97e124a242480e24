"""Handle a user's actions in a thread, so that the kernel can receive further actions in the meantime."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llmlib.widgets.shared.acts import Acts, CalledOff, Overtaken
from llmlib.widgets.shared.interrupts import kernel, on_interrupt

CANCELLED = "You cancelled this, so it was not done."
INTERRUPTED = "You interrupted the kernel, so this was not done."


class Worker:
    """Handles user actions in order of arrival, does the work that they need, and responds to each action.

    `say` sends a message to the page, and `tell` shows a notice on the page. Without a kernel (in a script or a test),
    everything is done immediately in the caller's thread.
    """

    def __init__(self, acts: Acts, say: Callable[[dict[str, Any]], None], tell: Callable[[str], None]):
        self.acts, self.say, self.tell = acts, say, tell
        self._lock = threading.Lock()  # protects what both threads use; held only briefly
        self._asked: list[tuple[str, Sequence[Mapping[str, Any]]]] = []  # pages, and the actions that each page sent
        self.working, self._called_off = False, ""
        self._unanswered: dict[str, int] = {}  # waiting pages, and the number of each page's last action

    # --- in the kernel's thread ---

    def ask(self, client: str, acts: Sequence[Mapping[str, Any]]) -> None:
        """Carry out these actions from one page, after the actions that are already waiting."""
        with self._lock:
            self._asked.append((client, acts))
            if self.working:
                return
            self.working = True
        if kernel() is None:
            self._work()
        else:
            threading.Thread(target=self._work, daemon=True).start()

    def call_off(self, why: str = CANCELLED) -> None:
        """Stop any current work at its next `check`."""
        self._called_off = why

    # --- in the worker's thread ---

    def check(self) -> None:
        """Raise `CalledOff` if the work is no longer wanted, and `Overtaken` if newer actions need the same work."""
        if self._called_off:
            why, self._called_off = self._called_off, ""
            raise CalledOff(why)
        if self._asked:
            with self._lock:
                if any(self.acts.overtake(acts) for _, acts in self._asked):
                    raise Overtaken

    def progress(self, words: str) -> None:
        for client in self._unanswered:
            self.say({"client": client, "progress": words})

    def _work(self) -> None:
        unwatch = on_interrupt(lambda: self.call_off(INTERRUPTED))
        try:
            while self._take():
                if self.acts.compute():
                    self._answer()
        except BaseException:
            self._give_up()
            raise
        finally:
            unwatch()

    def _take(self) -> bool:
        """Carry out the actions that have arrived in the meantime; return False if there are none."""
        with self._lock:
            asked, self._asked = self._asked, []
            self.working = bool(asked)
        if asked and not self._unanswered:
            self._called_off = ""
            self.tell("")  # clear the notice, so that a repeated notice is read aloud again
        for client, acts in asked:
            self._unanswered[client] = acts[-1]["number"]
            self.say({"client": client, "begun": True})
            self.acts.take([{**act, "number": (client, act["number"])} for act in acts])
        return bool(asked)

    def _answer(self) -> None:
        refused, notice = self.acts.answer()
        if notice:  # otherwise, keep the notice that a thread may have shown meanwhile
            self.tell(notice)
        unanswered, self._unanswered = self._unanswered, {}
        for client, number in unanswered.items():
            self.say({"client": client, "done": number, "refused": [one for of, one in refused if of == client]})

    def _give_up(self) -> None:
        """Report all waiting actions as not done, because an unanswered action would look as if the kernel had died."""
        with self._lock:
            self.working, self._asked = False, []
        unanswered, self._unanswered = self._unanswered, {}
        for client, number in unanswered.items():
            self.say({"client": client, "done": number, "refused": list(range(number + 1))})
