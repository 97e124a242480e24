"""Kernels that have imported torch and llmlib when they start: forks of one process, which each kernel's process asks.

A kernel of its own takes seconds for its imports, and a whole run starts some fifty: one for each lesson, the others
for views in a browser. The first lesson runs in a kernel that Jupyter starts in its usual way, and shows that lessons
do.

    python kernels.py serve PLACE          imports, and listens at the socket PLACE
    python kernels.py PLACE CONNECTION     is a kernel's process: asks for a fork, hands on signals, ends with it
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

PLACE = "LLMLIB_TEST_KERNELS"  # the variable that says where a process which has imported all listens, if there is one


def start(place):
    """Start the process that imports. It ends with the one that calls this."""
    import subprocess

    inline = "module://matplotlib_inline.backend_inline"  # as a kernel has it when it imports matplotlib
    return subprocess.Popen(
        [sys.executable, "-P", __file__, "serve", str(place)],
        cwd=Path(__file__).parent.parent,
        env={"OMP_NUM_THREADS": "1", **os.environ, "MPLBACKEND": inline},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def name(kernel, place, folder):
    """Write down how such a kernel is started; with `folder` in JUPYTER_PATH, Jupyter finds it by its name."""
    spec = folder / "kernels" / kernel / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, "-P", "-S", __file__, str(place), "{connection_file}"]
    about = {"display_name": "Python 3 (ipykernel)", "language": "python", "metadata": {"debugger": False}}
    spec.write_text(json.dumps({**about, "argv": argv}))


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
                    asked = json.loads(asking.makefile().readline() or "null")
                    if asked is None:  # it has ended meanwhile
                        asking.close()
                    elif number := os.fork():
                        with contextlib.suppress(BrokenPipeError):  # the same, and is found out below
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
    "ipykernel.kernelapp",
    "torch._dynamo",
    "matplotlib",
    "llmlib",
    "llmlib.corpora",
    "llmlib.exercises",
    "llmlib.explore",
    "llmlib.finetuning",
    "llmlib.interpret",
    "llmlib.preferences",
    "llmlib.pretrained",
    "llmlib.sampling",
    "llmlib.training",
    "llmlib.widgets",
)


def _import():
    """Nothing that looks for its kernel when it is imported; what does so gets it here, or later."""
    import tqdm.autonotebook
    import tqdm.notebook

    tqdm.autonotebook.tqdm, tqdm.autonotebook.trange = tqdm.notebook.tqdm, tqdm.notebook.trange
    for module in map(importlib.import_module, IMPORTED):
        for name in module.__all__ if module.__name__.startswith("llmlib") else ():
            getattr(module, name)
    from llmlib.exercises.registry import all_exercises

    all_exercises()
    gc.freeze()  # no kernel has to look for garbage in what was imported
    gc.set_threshold(5000, 10, 50)  # nor as often in what comes later: see lighter.py
    assert "matplotlib.pyplot" not in sys.modules


def _be_a_kernel(asked, connections):
    import ipywidgets
    from ipykernel.kernelapp import IPKernelApp

    try:
        for connection in connections:
            connection.close()
        os.setsid()
        os.chdir(asked["folder"])
        os.setpriority(os.PRIO_PROCESS, 0, asked["priority"])
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
        _connect(asking, place)
        asked = {"folder": os.getcwd(), "variables": dict(os.environ), "connection": connection}
        asked["priority"] = os.getpriority(os.PRIO_PROCESS, 0)
        asking.sendall(json.dumps(asked).encode() + b"\n")
        answers = asking.makefile()
        kernel = int(answers.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _frame: _hand_on(kernel, number))
        answers.read()  # until it has ended


def _connect(asking, place):
    for _ in range(3000):  # the one that imports may just have been started
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return asking.connect(place)
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens at {place}")


def _hand_on(kernel, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(kernel, number)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "serve" else ask(*sys.argv[1:])
