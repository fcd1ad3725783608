"""Errors of the Python interface."""

import re

import pytest

from resnet_core.errors import UserError, in_arguments


@pytest.mark.parametrize(
    ("option", "argument"),
    [
        ("resize them by --image-size", "resize them by `image_size`"),
        ("take --stream never", "take `execution=Execution(stream='never')`"),
        ("by --data-format channels_last", "by `data_format='channels_last'`"),
        ("see --stream", "see `execution=Execution(stream=…)`"),
        ("--set steps=9 is too few; set more by --set", "steps=9 is too few; set more by an argument"),
        ("3 -- 4", "3 -- 4"),
    ],
)
def test_the_python_interface_names_arguments_in_place_of_options(option, argument):
    @in_arguments(["stream"])
    def mistaken():
        raise UserError(option, line=7)

    with pytest.raises(UserError, match=re.escape(argument)) as error:
        mistaken()
    assert (str(error.value), error.value.line) == (argument, 7)
