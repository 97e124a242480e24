"""Show the next-token view for a live model."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.explore.shared.checks import check_room, prompt_ids
from llmlib.explore.shared.logits_reader import LogitsReader
from llmlib.explore.shared.own_model import noticing_training, undoing
from llmlib.explore.shared.token_texts import token_texts
from llmlib.sampling import Sampler
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.next_token.view import NextTokenView


def explore_next_token(
    model: Transformer, tokenizer: Tokenizer, prompt: str, n_candidates: int = 10, seed: int = 0
) -> NextTokenView:
    """Show what the model predicts after `prompt`; the user picks a token or lets chance decide, and the text grows.

    `seed` determines the random choices. The view lists the `n_candidates` most likely tokens. Raises `ValueError` if
    the prompt is empty or longer than the model's context.
    """
    view = NextTokenView()
    controller = _Controller(model, tokenizer, view, n_candidates, seed)
    controller.begin(prompt)
    controller.show()
    view.on_act("prompt", controller.begin, then=controller.show)
    view.on_act("pick", controller.append, then=controller.show)
    view.on_act("draw", controller.draw, then=controller.show)
    view.on_act("undo", controller.undo, then=controller.show)
    view.on_act("temperature", controller.set_temperature, then=controller.show)
    return view


@dataclass(frozen=True)
class _Text:
    """Holds a prompt, the ids of the whole text, and how many of these ids were picked after the prompt."""

    prompt: str = ""
    ids: tuple[int, ...] = ()
    picked: int = 0


class _Controller:
    """Carries out the user's actions in a `NextTokenView`.

    The actions only change `text`. The model runs once after all the actions, or earlier if a token is drawn at random.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, view: NextTokenView, n_candidates: int, seed: int):
        self.tokenizer, self.view, self.reader = tokenizer, view, LogitsReader(model, view.check)
        self.most, self.end_ids = model.config.max_seq_len, model.config.end_ids
        self.n_candidates = min(n_candidates, model.config.vocab_size)
        self.generator = torch.Generator().manual_seed(seed)
        self.text = self.shown = _Text()

    def begin(self, text: str) -> None:
        self.text = _Text(text, prompt_ids(self.tokenizer, text, self.most))

    def append(self, id: int) -> None:
        check_room(len(self.text.ids), self.most, "Remove tokens with Undo, or use a shorter prompt.")
        self.text = _Text(self.text.prompt, (*self.text.ids, id), self.text.picked + 1)

    def draw(self, times: int = 1) -> None:
        for _ in range(times):
            if self.text.picked and self.text.ids[-1] in self.end_ids:
                return  # the text has ended
            self.append(int(Sampler(self.view.temperature)(self.expected(), self.generator)))
            self.show()  # show the text after each token

    def undo(self) -> None:
        if self.text.picked:
            self.text = _Text(self.text.prompt, self.text.ids[:-1], self.text.picked - 1)

    def set_temperature(self, value: float | int) -> None:
        self.view.temperature = float(value)

    def expected(self) -> Float[Tensor, "1 vocab"]:
        """Compute the logits after the text. If this fails, go back to the text that was shown last."""
        with undoing(self._take_back), noticing_training(self.reader.model, self.view.remark):
            return self.reader.logits(self.text.ids)

    def _take_back(self) -> None:
        self.text = self.shown

    def show(self) -> None:
        logits, view, text = self.expected(), self.view, self.text
        probabilities = Sampler(view.temperature).probabilities(logits)[0]
        order = logits[0].topk(self.n_candidates).indices  # temperature does not change this order
        kept, others = probabilities[order], logits.shape[-1] - self.n_candidates
        with view.hold_sync():
            view.prompt, view.picked = text.prompt, text.picked
            view.tokens = token_texts(self.tokenizer, text.ids)
            view.ids = order.tolist()
            view.candidates = token_texts(self.tokenizer, view.ids)
            view.probabilities = kept.tolist()
            view.rest = f"{others:,} other tokens share the remaining {max(0.0, 1 - kept.sum().item()):.0%}."
        self.shown = text
