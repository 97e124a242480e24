"""Train a model on text.

`train` takes a model, data and a `TrainConfig`, and yields the result of each step. `loss` is what training minimises,
`optimizers` (AdamW, Muon) turn gradients into steps, `config` defines every setting and the learning-rate schedules,
`statistics` looks inside the model while it is learning, `checkpoints` saves a run so that it can resume exactly where
it stopped, `width` transfers a learning rate to wider models, and `loop` puts all of this together; `cli` is the
command `llmlib train`. If you write your own loop, with any `nn.Module` and any optimizer, use `save_checkpoint`,
`latest_checkpoint` and `load_checkpoint`.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.training.checkpoints import RunError as RunError
    from llmlib.training.config import TrainConfig as TrainConfig
    from llmlib.training.config import schedule_at as schedule_at
    from llmlib.training.loop import RunWarning as RunWarning
    from llmlib.training.loop import Step as Step
    from llmlib.training.loop import Training as Training
    from llmlib.training.loop import TrainingDiverged as TrainingDiverged
    from llmlib.training.loop import train as train
    from llmlib.training.loss import cross_entropy as cross_entropy
    from llmlib.training.optimizers import Muon as Muon
    from llmlib.training.optimizers import decay_groups as decay_groups
    from llmlib.training.optimizers import make_optimizers as make_optimizers
    from llmlib.training.optimizers import orthogonalise as orthogonalise
    from llmlib.training.own_loop import latest_checkpoint as latest_checkpoint
    from llmlib.training.own_loop import load_checkpoint as load_checkpoint
    from llmlib.training.own_loop import save_checkpoint as save_checkpoint
    from llmlib.training.sharding import clip_gradients as clip_gradients
    from llmlib.training.statistics import Statistics as Statistics
    from llmlib.training.width import maximal_update as maximal_update
    from llmlib.training.width import widened as widened

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "RunError": "llmlib.training.checkpoints",
        "TrainConfig": "llmlib.training.config",
        "schedule_at": "llmlib.training.config",
        **dict.fromkeys(("RunWarning", "Step", "Training", "TrainingDiverged", "train"), "llmlib.training.loop"),
        "cross_entropy": "llmlib.training.loss",
        **dict.fromkeys(("save_checkpoint", "latest_checkpoint", "load_checkpoint"), "llmlib.training.own_loop"),
        "clip_gradients": "llmlib.training.sharding",
        **dict.fromkeys(("Muon", "decay_groups", "make_optimizers", "orthogonalise"), "llmlib.training.optimizers"),
        "Statistics": "llmlib.training.statistics",
        **dict.fromkeys(("maximal_update", "widened"), "llmlib.training.width"),
    },
)
