"""Measure what a model can do, and how certain each measurement is.

`questions` defines questions with known answers, and reads questions from a file. `multiple_choice` lets a model choose
answers by log-likelihood, `exact_match` compares written answers with the right answers, `running` asks a model all the
questions, and `cli` is the command `llmlib eval`. `bits` measures how well a model predicts a text, `calibration` tests
whether a model's confidence can be trusted, and `detection` measures how well a score separates positives from
negatives. `intervals` and `comparing` say how much of a result may be due to chance. `contexts` measures how well a
model handles long texts.
"""

from typing import TYPE_CHECKING

from llmlib._lazy import lazy

if TYPE_CHECKING:
    from llmlib.evaluation.bits import bits_per_byte as bits_per_byte
    from llmlib.evaluation.calibration import calibration_error as calibration_error
    from llmlib.evaluation.calibration import chance_calibration_error as chance_calibration_error
    from llmlib.evaluation.calibration import fit_temperature as fit_temperature
    from llmlib.evaluation.calibration import reliability as reliability
    from llmlib.evaluation.comparing import compare as compare
    from llmlib.evaluation.comparing import mcnemar_test as mcnemar_test
    from llmlib.evaluation.comparing import permutation_test as permutation_test
    from llmlib.evaluation.contexts import loss_by_position as loss_by_position
    from llmlib.evaluation.contexts import needle_grid as needle_grid
    from llmlib.evaluation.detection import auc as auc
    from llmlib.evaluation.detection import roc_curve as roc_curve
    from llmlib.evaluation.exact_match import exact_match as exact_match
    from llmlib.evaluation.intervals import bootstrap_interval as bootstrap_interval
    from llmlib.evaluation.multiple_choice import choice_scores as choice_scores
    from llmlib.evaluation.questions import Question as Question
    from llmlib.evaluation.questions import QuestionError as QuestionError
    from llmlib.evaluation.questions import read_questions as read_questions
    from llmlib.evaluation.running import evaluate as evaluate
    from llmlib.finetuning.scores import Score as Score
    from llmlib.finetuning.scores import wilson_interval as wilson_interval

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "bits_per_byte": "llmlib.evaluation.bits",
        **dict.fromkeys(
            ("calibration_error", "chance_calibration_error", "fit_temperature", "reliability"),
            "llmlib.evaluation.calibration",
        ),
        **dict.fromkeys(("compare", "mcnemar_test", "permutation_test"), "llmlib.evaluation.comparing"),
        **dict.fromkeys(("loss_by_position", "needle_grid"), "llmlib.evaluation.contexts"),
        **dict.fromkeys(("auc", "roc_curve"), "llmlib.evaluation.detection"),
        "exact_match": "llmlib.evaluation.exact_match",
        "bootstrap_interval": "llmlib.evaluation.intervals",
        "choice_scores": "llmlib.evaluation.multiple_choice",
        **dict.fromkeys(("Question", "QuestionError", "read_questions"), "llmlib.evaluation.questions"),
        "evaluate": "llmlib.evaluation.running",
        **dict.fromkeys(("Score", "wilson_interval"), "llmlib.finetuning.scores"),
    },
)
