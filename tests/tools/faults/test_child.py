import os
import time

import numpy as np
import pytest

from faults.child import ask
from inet_d2.image_file import read_image


def raise_error(error):
    raise error


def caused_by(error):
    try:
        raise error
    except type(error) as cause:
        read_image("nowhere.jpg", "no format" if cause else "RGB")


def test_a_value():
    assert ask(sum, [1, 2]).value == 3


@pytest.mark.parametrize(
    ("function", "argument", "is_documented"),
    [
        (read_image, ("nowhere.jpg", "RGB"), True),
        (open, ("nowhere.txt",), True),  # the system names the file
        (int, ("x",), False),  # a library that says what it stumbles over
        (np.load, ("/dev/null",), False),
        (raise_error, (ValueError("of a test, not of the package"),), False),
        ({}.__getitem__, ("key",), False),
    ],
)
def test_errors_and_which_of_them_are_documented(function, argument, is_documented):
    answer = ask(function, *argument)
    assert not answer.has_value
    assert answer.is_documented == is_documented


def test_a_lack_of_memory_is_none_whatever_is_made_of_it():
    assert ask(caused_by, ValueError()).is_documented
    assert not ask(caused_by, MemoryError()).is_documented
    assert "MemoryError" in ask(np.ones, 100 << 20, mebibytes=300).text


@pytest.mark.parametrize(
    ("function", "text"), [(lambda: os.kill(os.getpid(), 9), "SIGKILL"), (lambda: os._exit(0), "exit code 0, without")]
)
def test_a_death(function, text):
    answer = ask(function)
    assert not answer.has_value
    assert not answer.is_hang
    assert text in answer.text


def test_a_hang_is_ended():
    answer = ask(time.sleep, 1000, seconds=0.3)
    assert answer.is_hang
    assert not answer.has_value
