"""`llmlib doctor` shows what this machine has and what llmlib will use, and says how to fix anything that is wrong."""

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from llmlib.distribution import DISTRIBUTION, INSTALL_COURSE
from llmlib.files.downloads import cache_dir

OLDEST_PYTHON = (3, 11)
NEEDED_MEMORY = 2 * 10**9  # bytes; SmolLM2 in float32 takes about 0.9 GB in addition to Jupyter
NEEDED_DISK = 1 * 10**9


@dataclass(frozen=True)
class Finding:
    """The result of one check; `remedy` says what to do if `ok` is False."""

    what: str
    found: str
    ok: bool = True
    remedy: str = ""


def examine() -> list[Finding]:
    """Run every check and return the findings; an error that a check raises also becomes a finding."""
    findings = []
    for look in (_python, _torch, _device, _course, _memory, _disk, _mirror, _downloads):
        try:
            findings += look()
        except Exception as error:
            findings.append(Finding(look.__name__.strip("_"), repr(error), False, "Install again: `make clean lab`."))
    return findings


def report(findings: list[Finding]) -> str:
    """Return the findings as a table for the terminal, with a remedy below each problem and a verdict at the end."""
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FIX '} {finding.what:<{width}}  {finding.found}")
        if not finding.ok:
            lines.append(f"     {'':<{width}}  → {finding.remedy}")
    wrong = sum(not finding.ok for finding in findings)
    lines.append("")
    lines.append("Everything is in place." if not wrong else f"Problems to fix: {wrong} (see the arrows above).")
    return "\n".join(lines)


def _python() -> list[Finding]:
    remedy = "Install Python 3.11 or newer and set up again, for example with `make clean lab PYTHON=python3.12`."
    ok = sys.version_info[:2] >= OLDEST_PYTHON
    return [Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", ok, remedy)]


def _torch() -> list[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        return [Finding("torch", f"cannot be imported: {error}", False, "pip install --force-reinstall torch")]
    return [Finding("torch", f"{torch.__version__}, {torch.get_num_threads()} CPU threads")]


def _device() -> list[Finding]:
    from llmlib.devices import choose

    choice = choose()
    return [
        Finding("device", f"{choice.device.type}: {choice.device_reason}"),
        Finding("dtype", f"{str(choice.dtype).removeprefix('torch.')}: {choice.dtype_reason}"),
    ]


def _course() -> list[Finding]:
    """Check that the packages in the `course` extra are installed, in the versions that our package metadata requires.

    If you only want the library, you do not need any of these packages. All views need anywidget; if it is installed,
    we assume that you want the lessons, and check the other packages too.
    """
    from packaging.requirements import Requirement  # comes with huggingface_hub

    try:
        wanted = map(Requirement, importlib.metadata.requires(DISTRIBUTION) or [])
    except importlib.metadata.PackageNotFoundError:
        return [Finding("llmlib", f"not installed; running from its source in {Path(__file__).parent}")]
    course = [each for each in wanted if each.marker and each.marker.evaluate({"extra": "course"})]
    installed = {each.name: _version(each.name) for each in course}
    if installed.get("anywidget", "") is None:
        return [Finding("lessons", f"not set up: this is only the library. For the lessons, {INSTALL_COURSE}")]
    remedy = f"The lessons need this package; {INSTALL_COURSE}, or: make clean lab"
    findings = []
    for each in course:
        version = installed[each.name]
        fits = version is not None and each.specifier.contains(version, prereleases=True)
        found = version or "not installed"
        findings.append(
            Finding(
                each.name, found if fits or not version else f"{found}, but llmlib needs {each.specifier}", fits, remedy
            )
        )
    return findings


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory() -> list[Finding]:
    import psutil

    free = psutil.virtual_memory().available
    remedy = "Close other programs; SmolLM2 and Jupyter together take about 2 GB."
    return [Finding("memory", f"{free / 1e9:.1f} GB free", free >= NEEDED_MEMORY, remedy)]


def _disk() -> list[Finding]:
    folder = cache_dir()
    existing = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    if not existing.is_dir():
        remedy = "Move this file away, or set LLMLIB_CACHE to a folder."
        return [Finding("cache", f"{existing} is not a folder", False, remedy)]
    free = shutil.disk_usage(existing).free
    findings = [
        Finding(
            "disk",
            f"{free / 1e9:.1f} GB free for {folder}",
            free >= NEEDED_DISK,
            "Free some space, or set LLMLIB_CACHE to a folder on another disk.",
        )
    ]
    if not os.access(existing, os.W_OK | os.X_OK):
        findings.append(
            Finding("cache", f"{existing} is read-only", False, "Set LLMLIB_CACHE to a folder that you can write to.")
        )
    return findings


def _mirror() -> list[Finding]:
    mirror = os.environ.get("LLMLIB_MIRROR")
    if not mirror:
        return []
    ok = Path(mirror).is_dir()
    remedy = "Set LLMLIB_MIRROR to the folder that holds your files, or unset it to use the network."
    return [Finding("mirror", mirror if ok else f"{mirror} is not a folder", ok, remedy)]


def _downloads() -> list[Finding]:
    """Check which files are cached and intact.

    A missing file is not a problem, because it is downloaded on first use.
    """
    from llmlib.files.downloads import sha256_of
    from llmlib.tokenization.published import SMOLLM2_SHA256, SMOLLM2_WHEEL

    model = cache_dir() / SMOLLM2_WHEEL[2].rpartition("/")[2]
    if model.exists():
        remedy = f"The file is damaged. Delete it, and it will be downloaded again: {model}"
        findings = [Finding("SmolLM2", str(model), sha256_of(model) == SMOLLM2_SHA256, remedy)]
    else:
        findings = [
            Finding("SmolLM2", "not here yet (93 MB); it is downloaded on first use, or now with `llmlib download`")
        ]
    files = (file for file in cache_dir().glob("[!.]*") if file.is_file())  # unfinished downloads begin with a dot
    others = sorted(file.name for file in files if file != model)
    if others:
        findings.append(Finding("also cached", ", ".join(others)))
    return findings
