"""Claim: `import llmlib` costs at most 1.1x of `import torch`, and `import llmlib.tokenization` under a quarter of it.

Whole processes, in turn; medians of the rounds, less the start of Python itself.
"""

import statistics
import subprocess
import sys
import time

STATEMENTS = ("pass", "import torch", "import llmlib", "import llmlib.tokenization")
ROUNDS = 7


def seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main() -> None:
    measured: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for number in range(ROUNDS + 1):
        for statement in STATEMENTS:
            took = seconds(statement)
            if number:  # the first round fills the caches of the disk
                measured[statement].append(took)
    medians = {statement: statistics.median(times) for statement, times in measured.items()}
    start = medians["pass"]
    torch = medians["import torch"] - start
    for statement in STATEMENTS[1:]:
        took = medians[statement] - start
        print(f"{statement:28} {1000 * took:7.0f} ms   {took / torch:5.2f}x of import torch")


if __name__ == "__main__":
    main()
