"""Run experiments that can be stopped and resumed: each finished arm is written to a file, and is not run again."""

import csv
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

FIELDS = ("experiment", "arm", "seed", "step", "measure", "value", "of")

Rows = Iterator[tuple[int, str, float, int | str]]  # step, measure, value, and, for a count, the number of prompts
Experiment = tuple[Callable[[str, int], Rows], tuple[str, ...], int]  # the function, its arms, and the number of seeds


def run_missing(file: Path, experiments: Sequence[Experiment], wanted: Container[str] = ()) -> None:
    """Run the arms that are not yet in the file, seed by seed; if `wanted` names experiments, run only those."""
    known = set()
    if file.exists():
        with file.open(newline="") as lines:
            known = {(row["experiment"], row["arm"], row["seed"]) for row in csv.DictReader(lines)}
    else:
        file.write_text(",".join(FIELDS) + "\n")
    for seed in range(max(seeds for _, _, seeds in experiments)):
        for run, arms, seeds in experiments:
            for arm in arms if seed < seeds else ():
                if (run.__name__, arm, str(seed)) in known or (wanted and run.__name__ not in wanted):
                    continue
                measured = [[step, what, f"{value:.4g}", of] for step, what, value, of in run(arm, seed)]
                with file.open("a", newline="") as lines:  # a run is written completely or not at all
                    rows = [[run.__name__, arm, seed, *row] for row in measured]
                    csv.writer(lines, lineterminator="\n").writerows(rows)
                print(run.__name__, arm, seed, measured[-1][1:], flush=True)
