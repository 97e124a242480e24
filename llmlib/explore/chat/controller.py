"""Run the chat view on live models, to talk with one model or to hold the same conversation with several models."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial

from llmlib.chat import CHAT_SAMPLER, Message
from llmlib.explore.chat.conversation import Asked, Said, divided, known_to
from llmlib.explore.chat.speakers import Answer, Speaker, refusal
from llmlib.explore.shared.checks import checked_seed
from llmlib.explore.shared.settings import settings_of, with_settings
from llmlib.explore.shared.token_texts import Words
from llmlib.sampling import Sampler
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.chat.readings import pack, reading
from llmlib.widgets.chat.turns import LETTERS, hidden
from llmlib.widgets.chat.view import ChatView
from llmlib.widgets.shared.acts import CalledOff, in_words
from llmlib.widgets.shared.interrupts import on_interrupt

PAUSE = 0.05  # seconds between updates: each sends the whole conversation, and nobody reads fast enough to need more
SILENCE = "The model ended its answer before the first word. Try asking differently."
STOPPED = "You stopped the answer before the first word."


def explore_chat(
    model: Transformer,
    tokenizer: Tokenizer,
    messages: Sequence[Message] = (),
    max_new_tokens: int = 256,
    sampler: Sampler = CHAT_SAMPLER,
    seed: int = 0,
    name: str = "Model",
) -> ChatView:
    """Hold a conversation with the model and watch its answers as they are written.

    The Stop button or a kernel interrupt ends an answer, but keeps what the model has already written.

    A first message with the role "system" is the system prompt. A message that gets no answer, for example because it
    is too long, is not added to the conversation. Instead, the view says why, and puts the message back into the text
    box, where the user can change it.
    """
    return compare_chats([Speaker(name, model, tokenizer)], messages, max_new_tokens, sampler, seed)


def compare_chats(
    speakers: Sequence[Speaker],
    messages: Sequence[Message] = (),
    max_new_tokens: int = 256,
    sampler: Sampler = CHAT_SAMPLER,
    seed: int = 0,
    *,
    blind: bool = False,
) -> ChatView:
    """Hold the same conversation with up to four models side by side; each model continues from its own answers.

    All models sample with the same settings and the same `seed`, so any difference comes from the models. With `blind`,
    the sides are shuffled, and the models' names stay hidden until the user has voted on the answers; `view.tally`
    counts the votes. If a model cannot answer, the view says why, and the other models continue. Raises `ValueError` if
    there are no speakers, more than four, or several with the same name.

    >>> from llmlib.tokenization import BPETokenizer
    >>> from llmlib.transformer import TransformerConfig
    >>> tokenizer = BPETokenizer.train("one two three", vocab_size=256)
    >>> model = Transformer(TransformerConfig(256, max_seq_len=64, d_model=16, n_layers=1, n_heads=2))
    >>> view = compare_chats([Speaker("base", model, tokenizer), Speaker("tuned", model, tokenizer)])
    >>> view.names, view.messages
    (['base', 'tuned'], [])
    """
    names = [speaker.name for speaker in speakers]
    if not 1 <= len(names) <= 4 or len(set(names)) < len(names):
        raise ValueError(f"Pass one to four speakers, each with its own name; got {names}.")
    system, said = divided(messages)
    view = ChatView(
        names=names,
        settings=settings_of(sampler),
        limit=max_new_tokens,
        seed=seed,
        blind=blind,
        vocabulary=max(speaker.model.config.vocab_size for speaker in speakers),
    )
    controller = _Controller(speakers, view, said, sampler)
    controller.system(system)
    controller.forget()
    controller.show()
    kinds = "message", "edit", "clear", "restore", "system", "set", "limit", "seed", "order", "blind", "vote", "forget"
    for kind in kinds:
        view.on_act(kind, getattr(controller, kind))
    view.on_act("stop", controller.stop.set)
    return view


class _Controller:
    """Carries out the user's actions in a `ChatView`. Models write in a thread, so that the Stop button works."""

    def __init__(self, speakers: Sequence[Speaker], view: ChatView, said: list[Said], sampler: Sampler):
        self.speakers, self.view, self.said, self.sampler = list(speakers), view, said, sampler
        self.beginning = deepcopy(said)
        self.cleared: list[Said] = []  # messages that "Start over" removed, kept until the next answer
        self.asked = 0  # number of questions since the seed was set; added to the seed, so that each has its own seed
        self.shuffle = random.Random(view.seed)
        self.words = Words()
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None
        self.showing = threading.RLock()  # the thread and the kernel both update the view
        self.unwatch: Callable[[], object] = lambda: None

    # --- what the user does ---

    def message(self, text: str) -> None:
        self.ask(text, self.said)

    def edit(self, message: int, text: str) -> None:
        """Replace an earlier message, and remove everything after it."""
        if not (0 <= message < len(self.said) and self.said[message].role == "user"):
            raise ValueError("This message no longer exists, because the conversation has changed.")
        self.ask(text, self.said[:message])

    def ask(self, text: str, before: list[Said]) -> None:
        if self.view.answering:
            raise ValueError("The model is still answering. Send your message when it is done, or press Stop first.")
        if not text.strip():
            raise ValueError("There is nothing to answer yet. Write a message first.")
        self.stop.clear()
        self.tell(notice="", returned="")
        self.view.answering = True
        question, order = Said("user", text), list(range(len(self.speakers)))
        if len(order) > 1 and self.view.blind:
            self.shuffle.shuffle(order)
            question.note = {"order": order, "vote": None}
        answers = [Said("assistant", "", k if len(order) > 1 else None, {"writing": True}) for k in sorted(order)]
        turn = Asked(self.said, before, question, answers, order)
        self.said = [*before, question, *answers]
        self.show()
        self.thread = threading.Thread(target=self.respond, args=(turn,), daemon=True)
        self.unwatch = on_interrupt(self.stop.set)
        self.thread.start()

    def clear(self) -> None:
        """Go back to the messages that the conversation was opened with; `restore` undoes that."""
        self.stop.set()
        if self.thread:
            self.thread.join()
        # If there is nothing new to keep, keep what was cleared earlier.
        if [one.message for one in self.said] != [one.message for one in self.beginning]:
            self.cleared = self.said
        self.said = deepcopy(self.beginning)
        self.tell(notice="", returned="")
        self.show()
        self.keep_picture()

    def restore(self) -> None:
        """Bring back the conversation that the user cleared; this is no longer possible after the next answer."""
        if self.view.answering or not self.cleared:
            raise ValueError("There is nothing to restore: a cleared conversation is kept only until the next answer.")
        self.said, self.cleared = self.cleared, []
        self.show()
        self.keep_picture()

    def system(self, text: str) -> None:
        """Set the system prompt for all later messages; the view names the models that do not accept it."""
        problems = [
            f"{speaker.name if len(self.speakers) > 1 else 'This model'} takes no system prompt. {why}"
            for speaker in self.speakers
            if (why := refusal(speaker, text))
        ]
        with self.showing, self.view.hold_sync():
            self.view.system, self.view.system_problems = text, problems

    def set(self, name: str, value: float | int | None) -> None:
        self.sampler = with_settings(self.sampler, {name: value})
        self.view.settings = settings_of(self.sampler)

    def limit(self, value: float | int) -> None:
        if value != int(value) or value < 1:
            raise ValueError(f"The maximum answer length must be a whole number of tokens, 1 or more; got {value}.")
        self.view.limit = int(value)

    def seed(self, value: float | int) -> None:
        self.view.seed, self.asked = checked_seed(value), 0

    def order(self, together: bool) -> None:
        self.view.together = bool(together)

    # --- blind comparison ---

    def blind(self, on: bool) -> None:
        if on and len(self.speakers) < 2:
            raise ValueError("A blind comparison needs at least two models.")
        self.view.blind = bool(on)

    def vote(self, message: int, choice: int | str) -> None:
        """Record the user's vote on a question's answers: a side (counted from the left), "tie" or "bad"."""
        note = self.said[message].note if 0 <= message < len(self.said) else {}
        if not hidden(note):
            raise ValueError("There is nothing to vote on here: you already know the names.")
        order = note["order"]
        if any(answer.note.get("writing") for answer in self.said[message + 1 : message + 1 + len(order)]):
            raise ValueError("Wait until all answers are complete, then vote.")
        if choice not in ("tie", "bad", *range(len(order))):
            raise ValueError(f"There is no side {choice!r} to vote for.")
        vote = order[choice] if isinstance(choice, int) else choice
        self.said[message].note = {**note, "vote": vote}
        tally = {**self.view.tally, "wins": list(self.view.tally["wins"])}
        if isinstance(vote, int):
            tally["wins"][vote] += 1
        else:
            tally[vote] += 1
        self.view.tally = tally
        self.show()
        self.keep_picture()

    def forget(self) -> None:
        """Clear all votes."""
        self.view.tally = {"wins": [0] * len(self.speakers), "tie": 0, "bad": 0}

    # --- answering, in a thread ---

    def respond(self, turn: Asked) -> None:
        try:
            self.write(turn)
        except Exception as error:  # show the error to the user: an error in a thread would otherwise go unnoticed
            for answer in turn.answers:
                answer.note = {"problem": in_words(error)}
        try:
            self.settle(turn)
        finally:  # whatever happens, the user can continue
            self.unwatch()  # stop watching for interrupts before the next message starts its own watch
            self.view.answering = False

    def settle(self, turn: Asked) -> None:
        """Show how a turn ended.

        If no model has answered, remove the question, and restore the messages that the question replaced.
        """
        notice = returned = ""
        if not any(answer.content for answer in turn.answers):
            notice, returned, self.said = self.why_not(turn), turn.question.content, turn.instead_of
        else:
            self.cleared = []
            if turn.question.note and not all(answer.content for answer in turn.answers):
                turn.question.note = {**turn.question.note, "vote": "none"}  # an empty answer cannot be compared
        self.show()
        self.tell(notice, returned)
        self.keep_picture()

    def write(self, turn: Asked) -> None:
        """Let all speakers answer, either one token each in turn, or one complete answer after another."""
        self.asked += 1
        begun = [(turn.answers[speaker], self.begin(turn, speaker)) for speaker in turn.order]
        going = [(said, answer) for said, answer in begun if answer is not None]
        shown = float("-inf")  # when the view was last updated
        while going:
            for said, answer in list(going) if self.view.together else going[:1]:
                self.step(said, answer)
                if self.stop.is_set() and any(said.content for said, _ in going):
                    break
            going = [(said, answer) for said, answer in going if said.note.get("writing")]
            if self.stop.is_set():
                break
            if time.monotonic() - shown > PAUSE:
                self.show()
                shown = time.monotonic()
        for said, answer in going:
            self.finish(said, answer, "Stopped." if said.content else STOPPED)

    def begin(self, turn: Asked, speaker: int) -> Answer | None:
        who, known = self.speakers[speaker], known_to(speaker, self.view.system, [*turn.before, turn.question])
        try:
            return Answer(who, known, self.sampler, self.view.limit, self.view.seed + self.asked, self.check)
        except Exception as error:
            advice = " Empty the system prompt, and send the message again." if refusal(who, self.view.system) else ""
            turn.answers[speaker].note = {"problem": in_words(error) + advice}
            return None

    def step(self, said: Said, answer: Answer) -> None:
        """Add one more piece to an answer. If this answer breaks off, the other answers continue."""
        try:
            piece = answer.piece()
        except CalledOff:
            self.finish(said, answer, "Stopped." if said.content else STOPPED)
            return
        except Exception as error:
            self.finish(
                said, answer, f"The answer was cut short: {in_words(error)}" if said.content else in_words(error)
            )
            return
        if piece is None:
            self.finish(said, answer, answer.ended if said.content else SILENCE)
        else:  # a template may leave a space before the answer; this space is not part of the answer
            said.content = said.content + piece if said.content else piece.lstrip()

    def check(self) -> None:
        """Stop the model if the user has pressed Stop.

        In a long conversation, this is checked before each of the model's modules runs, because the model takes seconds
        to write even the first word.
        """
        if self.stop.is_set():
            raise CalledOff

    def finish(self, said: Said, answer: Answer, words: str) -> None:
        if not said.content:
            said.note = {"problem": words}
            return
        said.note = {"tokens": len(answer.choices), **({"ended": words} if words else {})}
        place = partial(self.words.place, answer.speaker.tokenizer)
        said.readings = pack(
            [
                reading(place(one.id), one.log_prob, [(place(id), log_prob) for id, log_prob in one.top])
                for one in answer.choices
            ]
        )

    # --- what is shown ---

    def why_not(self, turn: Asked) -> str:
        """Return the reasons why no model has answered, with letters instead of names in a blind comparison."""
        whys = [turn.answers[speaker].note.get("problem", "") for speaker in turn.order]
        if len(set(whys)) == 1:
            return whys[0]
        names = LETTERS if turn.question.note else [self.speakers[speaker].name for speaker in turn.order]
        return " ".join(f"{name}: {why}" for name, why in zip(names, whys))

    def tell(self, notice: str, returned: str) -> None:
        with self.showing:
            self.view.notice, self.view.returned = notice, returned

    def show(self) -> None:
        with self.showing, self.view.hold_sync():
            self.view.messages = [one.message for one in self.said]
            self.view.notes = [dict(one.note) for one in self.said]
            self.view.cleared = len(self.cleared)
            if (readings := b"".join(one.readings for one in self.said)) != self.view.readings:
                self.view.readings, self.view.words = readings, list(self.words.texts)

    def keep_picture(self) -> None:
        self.view.still = {"id": self.view.model_id, "html": self.view.fallback_html()}
