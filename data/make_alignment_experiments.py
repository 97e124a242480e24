"""Run the experiments of lesson 09 that take too long for a lesson.

    python data/make_alignment_experiments.py [EXPERIMENT …]     (if you stop it, run it again to continue)

The experiments are measured on validation stories, with three seeds unless `EXPERIMENTS` has another number. None uses
the held-out stories, which are used only once, in the lesson. Each line of alignment_experiments.csv holds one number:
the experiment, its arm, the seed, the step, the measure, the value, and, for a count, the number of prompts.
alignment_answers.json holds answers of models that were trained to list animals.

The seed determines the order of the prompts, the sampled answers, and how the starting model (lesson 08's cautious
model) is tuned: on which conversations, and in which order. The training loop is in alignment_loop.py, the reward model
is in alignment_judge.py, and the measures are in alignment_measures.py.
"""

import sys
from pathlib import Path

from alignment_policy import (
    HOW,
    REUSED,
    held_back,
    imitation,
    ladder,
    lists,
    price,
    rates,
    reads,
    reuse,
    short,
    start,
    variance,
    when,
)
from alignment_preferences import EXTRA, believed, dpo, judged, many
from experiments import Experiment, run_missing

FILE = Path(__file__).parent / "alignment_experiments.csv"

EXPERIMENTS: tuple[Experiment, ...] = (
    (start, ("cautious",), 3),
    (short, ("as in the lesson",), 3),
    (reads, ("gifts", "days"), 3),
    (judged, tuple(EXTRA), 3),
    (many, ("temperature 1.5",), 3),
    (believed, tuple(f"rate 0.0005, beta 0{more}" for more in ("", ", refusals below", ", more stories")), 3),
    (lists, ("named", "mended"), 3),
    (lists, ("exact",), 2),
    (imitation, ("examples @ 0.0002",), 3),
    (ladder, tuple(f"{how} @ 0.0002" for how in HOW), 3),
    (dpo, ("known answers, beta 0.1, 0.00005", "own answers, beta 0.1, 0.00005"), 3),
    (dpo, ("known answers, beta 0.5, 0.00005", "known answers, beta 0.1, 0.0002"), 1),
    (when, ("wrong costs 0.5", "wrong costs 2", "wrong costs 0"), 3),
    (price, ("wrong costs 0.5", "wrong costs 4", "wrong costs 0"), 3),
    (variance, ("all",), 3),
    (held_back, ("beta 0.5",), 3),
    (reuse, (*(f"{name} @ 0.0002" for name in REUSED), "one update @ 0.0008"), 3),
    (rates, tuple(f"{how} @ {rate}" for how in HOW for rate in ("0.0001", "0.0004")), 1),
)


if __name__ == "__main__":
    run_missing(FILE, EXPERIMENTS, sys.argv[1:])
