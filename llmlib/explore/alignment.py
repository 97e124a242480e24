"""Show live alignment runs in the alignment view."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from llmlib.explore.shared.live_runs import LiveRuns
from llmlib.preferences.aligning import Alignment, AlignStep
from llmlib.preferences.groups import messages_of
from llmlib.widgets.alignment.view import VALUES, AlignmentView


def explore_alignment(
    runs: Alignment | Mapping[str, Alignment] | None = None, *, name: str = "policy", start: bool = True
) -> "LiveAlignmentView":
    """Show a live run of `llmlib.preferences.align`, or several named runs that take turns.

    As with `explore_training`, the runs train in the background, and `await dashboard.finished()` lets a cell wait
    until they have ended. A loop in a cell can also run the steps itself: `for step in
    explore_alignment().watch(align(…)): …`. `dashboard.compare(prompts, {"tuned": answers, "aligned": answers})` puts
    the models' answers side by side.

    >>> from llmlib.preferences import AlignConfig, align
    >>> from llmlib.tokenization import BPETokenizer
    >>> from llmlib.transformer import Transformer, TransformerConfig
    >>> tokenizer = BPETokenizer.train("hi", vocab_size=256)
    >>> tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    >>> model = Transformer(TransformerConfig(256, max_seq_len=16, d_model=16, n_layers=1, n_heads=2))
    >>> lengths = lambda prompts, answers: [len(answer) for answer in answers]
    >>> config = AlignConfig(steps=2, prompts=2, samples=2, max_new_tokens=4)
    >>> dashboard = explore_alignment(align(model, tokenizer, ["hi", "why"], lengths, config))
    >>> dashboard.wait()
    >>> [step.step for step in dashboard.steps["policy"]]
    [1, 2]
    """
    dashboard = LiveAlignmentView()
    dashboard.begin(runs, name, start)
    return dashboard


class LiveAlignmentView(LiveRuns[AlignStep], AlignmentView):
    """An `AlignmentView` with live runs."""

    def _add_run(self, name: str, run: Iterator[AlignStep], steps: int, step: int) -> int:
        return self.add_run(name, steps=steps, step=step)

    def _log(self, number: int, step: AlignStep, seconds: float) -> None:
        self.log(
            number,
            step.step,
            **{name: getattr(step, name) for name in VALUES},
            measures=step.measures,
            cut_off=step.cut_off,
            equal_groups=step.equal_groups,
            groups=[{**vars(group), "prompt": as_text(group.prompt)} for group in step.groups],
            seconds=seconds,
        )

    def compare(
        self,
        prompts: Sequence[Any],
        answers: Mapping[str, Sequence[str]],
        rewards: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Show models' answers as `AlignmentView.compare` does; the prompts may be in any form that `align` accepts."""
        super().compare([as_text(prompt) for prompt in prompts], answers, rewards)


def as_text(prompt: Any) -> str:
    """Convert a prompt to text.

    The prompt is a string, a list of messages, or a dictionary whose "prompt" entry is either of these.

    >>> as_text([{"role": "user", "content": "Who?"}]), as_text({"prompt": "Who?", "right": "Pip"})
    ('Who?', 'Who?')
    >>> as_text([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}])
    'system: Be brief.\\nuser: Who?'
    """
    messages = messages_of(prompt)
    if isinstance(messages, str):
        return messages
    if len(messages) == 1:
        return str(messages[0]["content"])
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)
