"""Compiles all kernels at the first use after an installation, in several processes: numba compiles one at a time in each.

`kernels.jsonl` has a line for each kernel that Python calls, and the types it is called with; whatever is not in it is
compiled when it is first called, as numba always does.
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
from typing import IO, Any, cast

from fingerprint.base.kernel_cache import VARIABLE, users, writable
from fingerprint.base.parallel import workers

MOST_PROCESSES = 4
"""More would mostly compile the same small kernels again, which others are made of."""

LIST = Path(__file__).with_name("kernels.jsonl")
OF_LOOKUPS = ("fingerprint.matching.",)
"""How the names of kernels begin that no night calls."""

_PACKAGE = Path(__file__).parents[1]

Type = str | dict[str, Any]
"""uint8[:], float64[:,:] A readonly, int64, or a tuple: the types in it, and its class if it has one."""


def compile_all(on_progress: Callable[[str, int, int], None], *, lookups: bool) -> None:
    """Compile what is not compiled yet, where it can be kept and there are processors for it.

    lookups: also what only lookups call. Costs a few milliseconds where that was done before. No error: what stays uncompiled is compiled when it is called.
    """
    done = mark(lookups=lookups)
    processes = min(workers(), MOST_PROCESSES)
    if done is None or processes < 2:
        return
    # who compiled for lookups compiled for nights, too
    if done.exists() or ((more := mark(lookups=True)) is not None and more.exists()):
        return
    wanted = [n for n, (name, _) in enumerate(kernels()) if lookups or not name.startswith(OF_LOOKUPS)]
    if _shared_out(processes, wanted, on_progress):
        with contextlib.suppress(OSError):
            done.parent.mkdir(parents=True, exist_ok=True)
            done.touch()


def kernels() -> list[tuple[str, list[Type]]]:
    """Return each kernel, as module:function, with the types of its arguments."""
    lines = map(json.loads, LIST.read_text(encoding="utf-8").splitlines())
    return [(name, arguments) for name, *arguments in lines]


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


def mark(*, lookups: bool) -> Path | None:
    """Return the file that says that the kernels of these very files were compiled, None where none can be kept."""
    digest = hashlib.sha256(f"{sys.version} {lookups}".encode() + LIST.read_bytes())
    try:
        for module in sorted({name.partition(":")[0] for name, _ in kernels()}):
            source = _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py").stat()
            digest.update(f"{module} {source.st_size} {source.st_mtime_ns}\n".encode())
    except OSError:  # inside a zip
        return None
    folder = _kept_in()
    return folder and folder / f"fingerprint-{digest.hexdigest()[:16]}.compiled"


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
            while ready.get_map():
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


def _compile_what_is_asked_for(every: Sequence[tuple[str, Sequence[Type]]]) -> None:
    """Read numbers of kernels from stdin, a line each, and answer each with a line when it is compiled, or cannot be."""
    gc.disable()  # a tenth of the time, and the process ends soon
    for line in sys.stdin:
        name, arguments = every[int(line)]
        module, _, function = name.partition(":")
        with contextlib.suppress(Exception):  # then it is compiled, or fails, when it is called
            getattr(importlib.import_module(module), function).compile(numba_types(arguments))
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    LIST = Path(sys.argv[1])
    _compile_what_is_asked_for(kernels())
