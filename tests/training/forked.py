"""Start processes by forking one that has already imported what training needs.

The imports take longer than the runs. Other tests cover what torchrun does with processes; here, processes get the
environment variables that torchrun would set.
"""

import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
from pathlib import Path

LIMIT = 300  # seconds; the machine may be busy


def processes():
    """Return the context that starts processes. The first process waits for the imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo", "torch.distributed.fsdp", "llmlib.training.cli"])
    return context


def run(module, *arguments, ranks=1, **variables):
    """Run a module as `python -m` does, in one process or several connected ones; return exit codes and output."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks), "GLOO_SOCKET_IFNAME": "lo"}
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / str(rank) for rank in range(ranks)]
        started = []
        for rank, output in enumerate(outputs):
            place = {**env, "RANK": str(rank), "LOCAL_RANK": str(rank)} if ranks > 1 else {}
            words = [str(argument) for argument in arguments]
            process = processes().Process(target=_main, args=(module, words, {**place, **variables}, str(output)))
            process.start()
            started.append(process)
        for process in started:
            process.join(LIMIT)
            process.kill()  # if it has not ended
            process.join()
        printed = "".join(output.read_text(encoding="utf-8") for output in outputs)
    return [process.exitcode for process in started], printed


def _main(module, arguments, variables, output):
    import torch

    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    torch.set_num_threads(1)
    os.environ.update(variables)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
