"""How a command ends that is told to stop."""

import contextlib
import signal

import pytest

from fingerprint.cli.commands.options import explain_stop
from fingerprint.domain.errors import InputError


def test_a_stop_says_how_far_the_job_had_come() -> None:
    with pytest.raises(KeyboardInterrupt) as stopped, explain_stop(lambda: "stopped in stage read"):
        signal.raise_signal(signal.SIGINT)
    assert stopped.value.__notes__ == ["stopped in stage read"]


def swallow_a_stop_and_fail() -> None:
    with contextlib.suppress(KeyboardInterrupt):  # as a finaliser does
        signal.raise_signal(signal.SIGINT)
    raise InputError("no rows")


def test_a_stop_that_something_swallowed_is_no_error_of_the_traffic() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stopped, explain_stop(lambda: "stopped in stage read"):
        swallow_a_stop_and_fail()
    assert stopped.value.__notes__ == ["stopped in stage read"]
    assert isinstance(stopped.value.__context__, InputError)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_without_a_stop_stays_one() -> None:
    with pytest.raises(InputError), explain_stop(lambda: "stopped"):
        raise InputError("no rows")


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with explain_stop(lambda: "stopped"):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
