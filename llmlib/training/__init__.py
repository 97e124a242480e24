"""Learning from text: `train` takes a model, data and a `TrainConfig`, and yields what each step came to.

`loss` is what is made small, `optimizers` (AdamW, Muon) turn gradients into steps, `config` holds every choice and the
schedules of the learning rate, `checkpoints` keep a run so that it goes on exactly, `loop` brings them together.
"""

from llmlib.training.checkpoints import RunError
from llmlib.training.config import TrainConfig, schedule_at
from llmlib.training.loop import Step, Training, TrainingDiverged, train
from llmlib.training.loss import cross_entropy
from llmlib.training.optimizers import Muon, make_optimizers, orthogonalise

__all__ = [
    "Muon",
    "RunError",
    "Step",
    "TrainConfig",
    "Training",
    "TrainingDiverged",
    "cross_entropy",
    "make_optimizers",
    "orthogonalise",
    "schedule_at",
    "train",
]
