"""How a command ends that is told to stop."""

import signal

import pytest

from fingerprint.cli.commands.options import explain_stop
from fingerprint.domain.errors import InputError


def test_a_stop_says_how_far_the_job_had_come() -> None:
    with pytest.raises(KeyboardInterrupt) as stopped, explain_stop(lambda: "stopped in stage read"):
        signal.raise_signal(signal.SIGINT)
    assert stopped.value.__notes__ == ["stopped in stage read"]


def test_an_error_without_a_stop_stays_one() -> None:
    with pytest.raises(InputError) as failed, explain_stop(lambda: "stopped"):
        raise InputError("no rows")
    assert not hasattr(failed.value, "__notes__")
