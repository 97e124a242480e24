"""Interactive views. They take plain arrays and strings and know nothing of models, so they serve anybody's.

One folder a view: the widget and its static picture in Python, what the browser runs beside it; `shared` is what all
have in common. Live models in these views are in `llmlib.explore`.
"""

try:
    import anywidget  # noqa: F401
except ImportError as error:
    from llmlib.distribution import INSTALL_COURSE

    raise ImportError(f"The interactive views need the course's packages ({error}); {INSTALL_COURSE}") from error

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.widgets.architecture_explorer import ArchitectureView as ArchitectureView
    from llmlib.widgets.attention_explorer import AttentionView as AttentionView
    from llmlib.widgets.attention_explorer import attention_view as attention_view
    from llmlib.widgets.attention_stepper import AttentionStepper as AttentionStepper
    from llmlib.widgets.attention_stepper import attention_stepper as attention_stepper
    from llmlib.widgets.bpe_stepper import BPEStepper as BPEStepper
    from llmlib.widgets.chat_view import ChatView as ChatView
    from llmlib.widgets.embedding_explorer import EmbeddingView as EmbeddingView
    from llmlib.widgets.embedding_explorer import embedding_view as embedding_view
    from llmlib.widgets.logit_lens import LogitLensView as LogitLensView
    from llmlib.widgets.logit_lens import logit_lens_view as logit_lens_view
    from llmlib.widgets.next_token import NextTokenView as NextTokenView
    from llmlib.widgets.rotary_view import RotaryView as RotaryView
    from llmlib.widgets.sampling_lab import SamplingLabView as SamplingLabView
    from llmlib.widgets.sampling_lab import sampling_lab_view as sampling_lab_view
    from llmlib.widgets.token_view import TokenView as TokenView
    from llmlib.widgets.training_dashboard import TrainingView as TrainingView
    from llmlib.widgets.tuning_view import TuningView as TuningView
    from llmlib.widgets.tuning_view import tuning_view as tuning_view

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "ArchitectureView": "llmlib.widgets.architecture_explorer",
        "AttentionStepper": "llmlib.widgets.attention_stepper",
        "AttentionView": "llmlib.widgets.attention_explorer",
        "BPEStepper": "llmlib.widgets.bpe_stepper",
        "ChatView": "llmlib.widgets.chat_view",
        "EmbeddingView": "llmlib.widgets.embedding_explorer",
        "LogitLensView": "llmlib.widgets.logit_lens",
        "NextTokenView": "llmlib.widgets.next_token",
        "RotaryView": "llmlib.widgets.rotary_view",
        "SamplingLabView": "llmlib.widgets.sampling_lab",
        "TokenView": "llmlib.widgets.token_view",
        "TrainingView": "llmlib.widgets.training_dashboard",
        "TuningView": "llmlib.widgets.tuning_view",
        "attention_stepper": "llmlib.widgets.attention_stepper",
        "attention_view": "llmlib.widgets.attention_explorer",
        "embedding_view": "llmlib.widgets.embedding_explorer",
        "logit_lens_view": "llmlib.widgets.logit_lens",
        "sampling_lab_view": "llmlib.widgets.sampling_lab",
        "tuning_view": "llmlib.widgets.tuning_view",
    },
)
