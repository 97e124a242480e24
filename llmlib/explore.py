"""Live models in interactive views: the one place that knows both."""

import threading
from collections.abc import Sequence
from typing import Any

import torch

from llmlib.chat import CHAT_SAMPLER, chat
from llmlib.explore_attention import explore as explore
from llmlib.explore_embeddings import explore_embeddings as explore_embeddings
from llmlib.explore_embeddings import explore_rotary as explore_rotary
from llmlib.explore_stepper import step_attention as step_attention
from llmlib.explore_tokens import explore_tokens as explore_tokens
from llmlib.explore_tokens import step_bpe as step_bpe
from llmlib.sampling import Sampler
from llmlib.tokenization import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets import ChatView, NextTokenView


def explore_next_token(
    model: Transformer, tokenizer: Tokenizer, prompt: str, n_candidates: int = 10, seed: int = 0
) -> NextTokenView:
    """A view of what the model expects after `prompt`: pick a token or let chance pick, and watch the text grow.

    Chance starts from `seed`. Raises `ValueError` if the prompt is empty or longer than the model's context.
    """
    view = NextTokenView()
    conductor = _NextToken(model, tokenizer, view, n_candidates, seed)
    conductor.begin(prompt)
    view.observe(conductor.answer, names="request")
    return view


class _NextToken:
    """Answers what the reader asks of a `NextTokenView`."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, view: NextTokenView, n_candidates: int, seed: int):
        self.model, self.tokenizer, self.view = model, tokenizer, view
        self.n_candidates = min(n_candidates, model.config.vocab_size)
        self.generator = torch.Generator().manual_seed(seed)
        self.ids: list[int] = []
        self.picked = 0

    def begin(self, prompt: str) -> None:
        self.ids, self.picked = self.tokenizer.encode(prompt, add_bos=self.tokenizer.adds_bos), 0
        self.think()

    def think(self) -> None:
        """One forward pass over the text so far."""
        with torch.inference_mode():
            ids = torch.tensor([self.ids], dtype=torch.long, device=self.model.device)
            self.logits = self.model(ids, last_only=True)[:, -1].float().cpu()
        self.show()

    def show(self) -> None:
        sampler = Sampler(self.view.temperature)
        probabilities = sampler.probabilities(self.logits)[0]
        order = self.logits[0].topk(self.n_candidates).indices  # the same order at every temperature
        self.candidates = order.tolist()
        kept = probabilities[order]
        others = self.model.config.vocab_size - self.n_candidates
        with self.view.hold_sync():
            self.view.tokens = self.texts(self.ids)
            self.view.picked = self.picked
            self.view.candidates = self.texts(self.candidates)
            self.view.probabilities = kept.tolist()
            self.view.rest = f"{others:,} other tokens share the remaining {max(0.0, 1 - kept.sum().item()):.0%}."

    def texts(self, ids: Sequence[int]) -> list[str]:
        return [self.tokenizer.decode([id]) for id in ids]

    def append(self, id: int) -> None:
        self.ids.append(id)
        self.picked += 1
        self.think()

    def draw(self, times: int) -> None:
        for _ in range(times):
            if self.picked and self.ids[-1] in self.model.config.end_ids:
                return  # the text has ended
            self.append(int(Sampler(self.view.temperature)(self.logits, self.generator)))

    def answer(self, change: Any) -> None:
        request = change["new"]
        kind = request.get("kind")
        try:
            if kind == "prompt":
                self.begin(request["text"])
            elif kind == "pick":
                self.append(self.candidates[request["index"]])
            elif kind in ("draw", "draw10"):
                self.draw(10 if kind == "draw10" else 1)
            elif kind == "undo" and self.picked:
                self.ids.pop()
                self.picked -= 1
                self.think()
            elif kind == "temperature":
                self.view.temperature = float(request["value"])
                self.show()
        except ValueError as error:  # an exception here would vanish; the reader should see it
            self.view.rest = str(error)


def explore_chat(
    model: Transformer,
    tokenizer: Tokenizer,
    messages: Sequence[dict[str, str]] = (),
    max_new_tokens: int = 256,
    sampler: Sampler = CHAT_SAMPLER,
    seed: int = 0,
    name: str = "Model",
) -> ChatView:
    """A conversation with the model, streamed; the Stop button ends an answer and keeps what was said."""
    view = ChatView(messages=list(messages), name=name)
    conductor = _Chat(model, tokenizer, view, max_new_tokens, sampler, seed)
    view.observe(conductor.handle, names="request")
    return view


class _Chat:
    """Answers in a thread of its own, so that the kernel stays free to hear the Stop button."""

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        view: ChatView,
        max_new_tokens: int,
        sampler: Sampler,
        seed: int,
    ):
        self.model, self.tokenizer, self.view = model, tokenizer, view
        self.max_new_tokens, self.sampler, self.seed = max_new_tokens, sampler, seed
        self.stop = threading.Event()
        self.thread: threading.Thread | None = None

    def handle(self, change: Any) -> None:
        request = change["new"]
        kind = request.get("kind")
        if kind == "message" and not self.view.answering:
            self.stop.clear()
            self.view.answering = True
            self.view.messages = [*self.view.messages, {"role": "user", "content": request["text"]}]
            self.thread = threading.Thread(target=self.respond, args=(list(self.view.messages),), daemon=True)
            self.thread.start()
        elif kind in ("stop", "clear"):
            self.stop.set()
            if kind == "clear":
                if self.thread:
                    self.thread.join()
                self.view.messages = []

    def respond(self, conversation: list[dict[str, str]]) -> None:
        said = ""
        self.seed += 1
        try:
            for piece in chat(self.model, self.tokenizer, conversation, self.max_new_tokens, self.sampler, self.seed):
                said += piece
                self.view.messages = [*conversation, {"role": "assistant", "content": said}]
                if self.stop.is_set():
                    break
        except Exception as error:  # shown to the reader; in a thread it would vanish
            self.view.messages = [*conversation, {"role": "assistant", "content": f"(no answer: {error})"}]
        finally:
            self.view.answering = False
