"""Show plain arrays and strings in interactive views.

The views know nothing about models, so they work with any model. Each view has a folder that contains the widget and
its static picture in Python, and the code that the browser runs. `shared` contains the code that all views use.
`llmlib.explore` puts live models into these views.
"""

try:
    import anywidget  # noqa: F401
except ImportError as error:
    from llmlib.distribution import INSTALL_COURSE

    raise ImportError(f"The interactive views need the course's packages ({error}); {INSTALL_COURSE}") from error

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.widgets.alignment import AlignmentView as AlignmentView
    from llmlib.widgets.architecture import ArchitectureView as ArchitectureView
    from llmlib.widgets.attention import AttentionView as AttentionView
    from llmlib.widgets.attention import attention_view as attention_view
    from llmlib.widgets.attention_steps import AttentionStepsView as AttentionStepsView
    from llmlib.widgets.attention_steps import attention_steps_view as attention_steps_view
    from llmlib.widgets.bpe_steps import BPEStepsView as BPEStepsView
    from llmlib.widgets.chat import ChatView as ChatView
    from llmlib.widgets.embeddings import EmbeddingsView as EmbeddingsView
    from llmlib.widgets.embeddings import embeddings_view as embeddings_view
    from llmlib.widgets.logit_lens import LogitLensView as LogitLensView
    from llmlib.widgets.logit_lens import logit_lens_view as logit_lens_view
    from llmlib.widgets.long_context import LongContextView as LongContextView
    from llmlib.widgets.long_context import long_context_view as long_context_view
    from llmlib.widgets.next_token import NextTokenView as NextTokenView
    from llmlib.widgets.rotary import RotaryView as RotaryView
    from llmlib.widgets.sampling import SamplingView as SamplingView
    from llmlib.widgets.sampling import sampling_view as sampling_view
    from llmlib.widgets.scaling import ScalingView as ScalingView
    from llmlib.widgets.threshold import ThresholdView as ThresholdView
    from llmlib.widgets.threshold import threshold_view as threshold_view
    from llmlib.widgets.tokens import TokensView as TokensView
    from llmlib.widgets.training import TrainingView as TrainingView
    from llmlib.widgets.tuning import TuningView as TuningView
    from llmlib.widgets.tuning import tuning_view as tuning_view

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "AlignmentView": "llmlib.widgets.alignment",
        "ArchitectureView": "llmlib.widgets.architecture",
        "AttentionStepsView": "llmlib.widgets.attention_steps",
        "AttentionView": "llmlib.widgets.attention",
        "BPEStepsView": "llmlib.widgets.bpe_steps",
        "ChatView": "llmlib.widgets.chat",
        "EmbeddingsView": "llmlib.widgets.embeddings",
        "LogitLensView": "llmlib.widgets.logit_lens",
        "LongContextView": "llmlib.widgets.long_context",
        "NextTokenView": "llmlib.widgets.next_token",
        "RotaryView": "llmlib.widgets.rotary",
        "SamplingView": "llmlib.widgets.sampling",
        "ThresholdView": "llmlib.widgets.threshold",
        "ScalingView": "llmlib.widgets.scaling",
        "TokensView": "llmlib.widgets.tokens",
        "TrainingView": "llmlib.widgets.training",
        "TuningView": "llmlib.widgets.tuning",
        "attention_steps_view": "llmlib.widgets.attention_steps",
        "attention_view": "llmlib.widgets.attention",
        "embeddings_view": "llmlib.widgets.embeddings",
        "logit_lens_view": "llmlib.widgets.logit_lens",
        "long_context_view": "llmlib.widgets.long_context",
        "sampling_view": "llmlib.widgets.sampling",
        "threshold_view": "llmlib.widgets.threshold",
        "tuning_view": "llmlib.widgets.tuning",
    },
)
