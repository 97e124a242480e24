"""Kernels that have imported torch and llmlib when they start: forks of one process, which each kernel's process asks.

A kernel of its own takes seconds for its imports, and the tests of views start some forty. That a lesson runs in a
kernel which Jupyter starts in its usual way is what the tests of notebooks show.

    python kernels.py serve PLACE          imports, and listens at the socket PLACE
    python kernels.py PLACE CONNECTION     is a kernel's process: asks for a fork, hands on signals, ends with it
"""

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path


def start(folder):
    """Start the process that imports, and name its kernels to Jupyter; returns it, and the variables for the server."""
    import subprocess

    place, spec = folder / "kernels", folder / "paths" / "kernels" / "python3" / "kernel.json"
    argv = [sys.executable, "-P", "-S", __file__]
    spec.parent.mkdir(parents=True)
    named = {"display_name": "Python 3 (ipykernel)", "language": "python", "metadata": {"debugger": False}}
    spec.write_text(json.dumps({**named, "argv": [*argv, str(place), "{connection_file}"]}))
    inline = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline"
    }  # as a kernel has it when it imports matplotlib
    serving = subprocess.Popen(
        [sys.executable, "-P", __file__, "serve", str(place)],
        cwd=Path(__file__).parent.parent.parent, env={**os.environ, **inline},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return serving, {"JUPYTER_PATH": str(spec.parent.parent.parent)}


def serve(place):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(20)
        _import()
        kernels, parent = {}, os.getppid()  # the number of each kernel, by the connection of its process
        while os.getppid() == parent:  # tests that end in whatever way leave nothing behind
            for ready in select.select([listener, *kernels], [], [], 0.05)[0]:
                if ready is listener:
                    asking = listener.accept()[0]
                    asked = json.loads(asking.makefile().readline())
                    if number := os.fork():
                        asking.sendall(f"{number}\n".encode())
                        kernels[asking] = number
                    else:
                        _be_a_kernel(asked, [listener, asking, *kernels])
                else:  # the kernel's process is gone
                    os.kill(kernels[ready], signal.SIGKILL)
            for asking, number in list(kernels.items()):
                if os.waitpid(number, os.WNOHANG)[0]:
                    del kernels[asking]
                    asking.close()


IMPORTED = (
    "ipykernel.kernelapp", "torch._dynamo", "matplotlib", "llmlib", "llmlib.corpora", "llmlib.exercises",
    "llmlib.explore", "llmlib.finetuning", "llmlib.interpret", "llmlib.preferences", "llmlib.pretrained",
    "llmlib.sampling", "llmlib.training", "llmlib.widgets",
)  # fmt: skip


def _import():
    """Nothing that looks for its kernel when it is imported; what does so is told of it here, or later."""
    import tqdm.autonotebook
    import tqdm.notebook

    tqdm.autonotebook.tqdm, tqdm.autonotebook.trange = tqdm.notebook.tqdm, tqdm.notebook.trange
    for module in map(importlib.import_module, IMPORTED):
        for name in module.__all__ if module.__name__.startswith("llmlib") else ():
            getattr(module, name)
    from llmlib.exercises.registry import all_exercises

    all_exercises()
    assert "matplotlib.pyplot" not in sys.modules


def _be_a_kernel(asked, connections):
    import ipywidgets
    from ipykernel.kernelapp import IPKernelApp

    try:
        for connection in connections:
            connection.close()
        os.setsid()
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["variables"])
        os.environ.pop("JPY_PARENT_PID", None)  # it would look whether this is its parent
        sys.argv = ["ipykernel_launcher.py", "-f", asked["connection"]]
        app = IPKernelApp.instance()
        app.initialize(sys.argv[1:])
        ipywidgets.register_comm_target()
        app.start()
    finally:
        os._exit(0)


def ask(place, connection):
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(place)
        asked = {"folder": os.getcwd(), "variables": dict(os.environ), "connection": connection}
        asking.sendall(json.dumps(asked).encode() + b"\n")
        answers = asking.makefile()
        kernel = int(answers.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _frame: _hand_on(kernel, number))
        answers.read()  # until it has ended


def _hand_on(kernel, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(kernel, number)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "serve" else ask(*sys.argv[1:])
