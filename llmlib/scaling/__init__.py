"""Predict a model's loss before you train it, from smaller models and scaling laws for parameters, tokens and compute.

`laws` defines the two published forms of a scaling law, and computes what follows from a law: the best use of a budget,
and a model that is cheap to use. `published` contains the constants from three papers, and the figures for well-known
models. `fitting` fits a law to your own runs and predicts losses with an interval, `isoflop` finds the best size for
one budget, and `bills` turns FLOPs into days and money.
"""

from llmlib.scaling.bills import MACHINES, Bill, Machine, bill
from llmlib.scaling.fitting import Fit, Prediction, fit, huber
from llmlib.scaling.isoflop import Minimum, PowerLaw, isoflop_minimum, power_law
from llmlib.scaling.laws import Allocation, KaplanLaw, Law, ScalingError, inference_flops, training_flops
from llmlib.scaling.published import BESIROGLU, HOFFMANN, KAPLAN, MODELS, PublishedModel

__all__ = [
    "BESIROGLU",
    "HOFFMANN",
    "KAPLAN",
    "MACHINES",
    "MODELS",
    "Allocation",
    "Bill",
    "Fit",
    "KaplanLaw",
    "Law",
    "Machine",
    "Minimum",
    "PowerLaw",
    "Prediction",
    "PublishedModel",
    "ScalingError",
    "bill",
    "fit",
    "huber",
    "inference_flops",
    "isoflop_minimum",
    "power_law",
    "training_flops",
]
