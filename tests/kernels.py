"""Start Jupyter kernels that have already imported torch and llmlib, as forks of one server process.

An ordinary kernel takes seconds for its imports, and a whole run starts some fifty kernels: one for each lesson, and
the others for views in a browser. The first lesson runs in an ordinary kernel, to show that lessons work there.

    python kernels.py serve PLACE          the server: import everything, and listen at the socket PLACE
    python kernels.py PLACE CONNECTION     the launcher, which Jupyter starts as the kernel's process: ask the server
                                           for a fork, pass signals on to it, and end when the fork ends
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

PLACE = "LLMLIB_TEST_KERNELS"  # this environment variable holds the path of the socket while the server runs


def start(place):
    """Start the server, which ends when the calling process ends."""
    import subprocess

    inline = "module://matplotlib_inline.backend_inline"  # the value of MPLBACKEND in a kernel that imports matplotlib
    return subprocess.Popen(
        [sys.executable, "-P", __file__, "serve", str(place)],
        cwd=Path(__file__).parent.parent,
        env={"OMP_NUM_THREADS": "1", **os.environ, "MPLBACKEND": inline},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def name(kernel, place, folder):
    """Write a kernel spec that starts the launcher.

    If JUPYTER_PATH contains `folder`, Jupyter finds the kernel by its name.
    """
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
        kernels, parent = {}, os.getppid()  # the process id of each kernel, by the connection to its launcher
        while os.getppid() == parent:  # however the tests end, the server ends too
            for ready in select.select([listener, *kernels], [], [], 0.05)[0]:
                if ready is listener:
                    launcher = listener.accept()[0]
                    request = json.loads(launcher.makefile().readline() or "null")
                    if request is None:  # the launcher has already ended
                        launcher.close()
                    elif process := os.fork():
                        with contextlib.suppress(BrokenPipeError):  # the launcher has just ended; `select` will notice
                            launcher.sendall(f"{process}\n".encode())
                        kernels[launcher] = process
                    else:
                        _be_a_kernel(request, [listener, launcher, *kernels])
                else:  # the launcher has ended
                    os.kill(kernels[ready], signal.SIGKILL)
            for launcher, process in list(kernels.items()):
                if os.waitpid(process, os.WNOHANG)[0]:
                    del kernels[launcher]
                    launcher.close()


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
    """Import what lessons use, except for modules that check during their import whether they run in a kernel.

    Such modules are imported later, in the kernel. For tqdm, the result of this check is set here.
    """
    import tqdm.autonotebook
    import tqdm.notebook

    tqdm.autonotebook.tqdm, tqdm.autonotebook.trange = tqdm.notebook.tqdm, tqdm.notebook.trange
    for module in map(importlib.import_module, IMPORTED):
        for name in module.__all__ if module.__name__.startswith("llmlib") else ():
            getattr(module, name)
    from llmlib.exercises.registry import all_exercises

    all_exercises()
    gc.freeze()  # no kernel has to search these objects for garbage
    gc.set_threshold(5000, 10, 50)  # and kernels search later objects less often: see lighter.py
    assert "matplotlib.pyplot" not in sys.modules


def _be_a_kernel(request, connections):
    import ipywidgets
    from ipykernel.kernelapp import IPKernelApp

    try:
        for connection in connections:
            connection.close()
        os.setsid()
        os.chdir(request["folder"])
        os.setpriority(os.PRIO_PROCESS, 0, request["priority"])
        os.environ.clear()
        os.environ.update(request["variables"])
        os.environ.pop("JPY_PARENT_PID", None)  # otherwise the kernel would check that its parent has this id
        sys.argv = ["ipykernel_launcher.py", "-f", request["connection"]]
        app = IPKernelApp.instance()
        app.initialize(sys.argv[1:])
        ipywidgets.register_comm_target()
        app.start()
    finally:
        os._exit(0)


def ask(place, connection):
    with socket.socket(socket.AF_UNIX) as server:
        _connect(server, place)
        request = {"folder": os.getcwd(), "variables": dict(os.environ), "connection": connection}
        request["priority"] = os.getpriority(os.PRIO_PROCESS, 0)
        server.sendall(json.dumps(request).encode() + b"\n")
        answers = server.makefile()
        kernel = int(answers.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _frame: _pass_on(kernel, number))
        answers.read()  # returns when the kernel has ended


def _connect(server, place):
    for _ in range(3000):  # the server may have only just been started
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            return server.connect(place)
        time.sleep(0.1)
    raise TimeoutError(f"no server listens at {place}")


def _pass_on(kernel, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(kernel, number)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "serve" else ask(*sys.argv[1:])
