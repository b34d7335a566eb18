"""Compiles a job's kernels at its first use after an installation, in several processes: numba compiles one at a time in each.

`kernels.jsonl` has a line for each kernel that Python calls: its name, the jobs that call it, and the types it is called
with; whatever is not in it is compiled when it is first called, as numba always does.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, cast, get_args

from fingerprint.base.kernel_cache import VARIABLE, users, writable
from fingerprint.base.parallel import workers
from fingerprint.base.source_stamp import stamp

MOST_PROCESSES = 4
"""More would mostly compile the same small kernels again, which others are made of."""

LIST = Path(__file__).with_name("kernels.jsonl")
_PACKAGE = Path(__file__).parents[1]

Type = str | dict[str, Any]
"""uint8[:], float64[:,:] A readonly, int64, or a tuple: the types in it, and its class if it has one."""


Job = Literal["night", "lookup", "hunt", "serve"]
"""What calls kernels, and has its own compiled before it begins."""

JOBS: tuple[Job, ...] = get_args(Job)


class Kernel(NamedTuple):
    """A kernel that Python calls: module:function, the jobs that call it, and the types of its arguments."""

    name: str
    jobs: frozenset[Job]
    arguments: list[Type]


def compile_for(on_progress: Callable[[str, int, int], None], *jobs: Job) -> None:
    """Compile what these jobs call and is not compiled yet, where it can be kept and there are processors for it.

    Costs a few milliseconds where that was done before. No error: what stays uncompiled is compiled when it is called.
    """
    processes = min(workers(), MOST_PROCESSES)
    marks = _marks()
    if marks is None or processes < 2:
        return
    done = {job for job, mark in marks.items() if mark.exists()}
    if done.issuperset(jobs):
        return
    wanted = [
        number
        for number, kernel in enumerate(kernels())
        if not kernel.jobs.isdisjoint(jobs) and kernel.jobs.isdisjoint(done)
    ]
    if _shared_out(processes, wanted, on_progress):
        with contextlib.suppress(OSError):
            for job in jobs:
                marks[job].parent.mkdir(parents=True, exist_ok=True)
                marks[job].touch()


def kernels() -> list[Kernel]:
    """Return each kernel of the list."""
    lines = map(json.loads, LIST.read_text(encoding="utf-8").splitlines())
    return [Kernel(name, frozenset(jobs), arguments) for name, jobs, *arguments in lines]


def numba_types(arguments: Sequence[Type]) -> tuple[Any, ...]:
    """Return numba's types of some arguments."""
    return tuple(_numba_type(argument) for argument in arguments)


def _numba_type(written: Type) -> Any:
    types: Any = importlib.import_module("numba.core.types")
    if isinstance(written, dict):
        module, _, name = written.get("class", "").partition(":")
        made = getattr(importlib.import_module(module), name) if name else None
        return types.BaseTuple.from_types(numba_types(written["tuple"]), made)
    name, bracket, rest = written.partition("[")
    scalar = types.boolean if name == "bool" else getattr(types, name)
    if not bracket:
        return scalar
    dims, _, flags = rest.partition("]")
    return types.Array(scalar, dims.count(":"), flags.split()[0] if flags else "C", "readonly" in flags)


def _marks() -> dict[Job, Path] | None:
    """Return the files that say that each job's kernels of these very files were compiled, None where none can be kept."""
    digest = hashlib.sha256(sys.version.encode() + LIST.read_bytes())
    try:
        for module in sorted({kernel.name.partition(":")[0] for kernel in kernels()}):
            digest.update(stamp(_PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")))
    except OSError:  # inside a zip
        return None
    folder = _kept_in()
    if folder is None:
        return None
    return {job: folder / f"fingerprint-{digest.hexdigest()[:16]}-{job}.compiled" for job in JOBS}


def _kept_in() -> Path | None:
    """Return a folder for the mark, of those that numba takes, None where none can be written."""
    if VARIABLE in os.environ:
        folder = Path(os.environ[VARIABLE])
    else:
        folder = _PACKAGE / "base" / "__pycache__"
        folder = folder if writable(folder) else users() / "fingerprint"
    return folder if writable(folder) else None


def _shared_out(processes: int, todo: Sequence[int], on_progress: Callable[[str, int, int], None]) -> bool:
    """Let each process compile from one end of `todo` or the other, where kernels beside each other share parts.

    todo: lines of the list, by number.
    """
    command = [sys.executable, "-m", __name__, str(LIST)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_PACKAGE.parent), *_python_path()])}
    left, done = deque(todo), 0
    on_progress("compile", 0, len(todo))
    running = [
        subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        for _ in range(processes)
    ]
    try:
        with selectors.DefaultSelector() as ready:
            for turn, process in enumerate(running):
                ready.register(cast("IO[bytes]", process.stdout), selectors.EVENT_READ, (turn, process))
                _give(process, left, turn)
            # a process that has compiled all takes long to end, and is killed
            while ready.get_map() and done < len(todo):
                for key, _ in ready.select():
                    turn, process = key.data
                    if not process.stdout.readline():
                        ready.unregister(process.stdout)
                        continue
                    done += 1
                    on_progress("compile", done, len(todo))
                    _give(process, left, turn)
    finally:
        for process in running:
            process.kill()
            with process:  # closes its pipes and waits for it
                pass
    return done == len(todo)


def _python_path() -> list[str]:
    return [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []


def _give(process: subprocess.Popen[bytes], left: deque[int], turn: int) -> None:
    given = cast("IO[bytes]", process.stdin)
    with contextlib.suppress(BrokenPipeError):
        if left:
            given.write(b"%d\n" % (left.pop() if turn % 2 else left.popleft()))
            given.flush()
        else:
            given.close()


def _compile_what_is_asked_for(every: Sequence[Kernel]) -> None:
    """Read numbers of kernels from stdin, a line each, and answer each with a line when it is compiled, or cannot be."""
    gc.disable()  # a tenth of the time, and the process ends soon
    for line in sys.stdin:
        name, _, arguments = every[int(line)]
        module, _, function = name.partition(":")
        with contextlib.suppress(Exception):  # then it is compiled, or fails, when it is called
            getattr(importlib.import_module(module), function).compile(numba_types(arguments))
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    LIST = Path(sys.argv[1])
    _compile_what_is_asked_for(kernels())
