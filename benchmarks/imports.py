"""Claims: `import llmlib` takes at most 1.1x as long as `import torch`; `llmlib.tokenization` takes less than 0.25x.

Each import runs in its own process, and the processes take turns. The script prints medians of the rounds, minus the
time that Python itself takes to start.
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
            if number:  # the first round fills the disk cache
                measured[statement].append(took)
    medians = {statement: statistics.median(times) for statement, times in measured.items()}
    start = medians["pass"]
    torch = medians["import torch"] - start
    for statement in STATEMENTS[1:]:
        took = medians[statement] - start
        print(f"{statement:28} {1000 * took:7.0f} ms   {took / torch:5.2f}x of import torch")


if __name__ == "__main__":
    main()
