"""Blocks that end their run in training: a user's own code may do anything."""

import ctypes
import os
import signal
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from resnet_core import register_block


def raises():
    raise RuntimeError("this block raises in training")


def dies():
    os.kill(os.getpid(), signal.SIGKILL)


def dies_once():
    mark = Path(os.environ["MISBEHAVING_PATH"])
    if not mark.exists():
        mark.touch()
        dies()


def faults():
    """Read what nobody may, as wrong native code does."""
    ctypes.string_at(0)


def aborts():
    """What glibc does when it finds its heap damaged."""
    os.abort()


def sleeps():
    time.sleep(3600)


def waits():
    """Leave a mark, and go on when somebody makes the file `open` beside it."""
    gate = Path(os.environ["MISBEHAVING_PATH"])
    (gate / f"{os.getpid()}.mark").touch()
    while not (gate / "open").exists():
        time.sleep(0.05)


def allocates():
    held = []
    while len(held) < 32:
        held.append(np.empty(2**27))


class Does(keras.layers.Layer):
    """Does something in every training step, and returns its input."""

    def __init__(self, what, **common):
        super().__init__(**common)
        self.what = what

    def call(self, inputs, training=False):
        if training:
            done = tf.py_function(lambda: self.what() or 0, [], tf.int32)
            with tf.control_dependencies([done]):
                inputs = tf.identity(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape


for what in (raises, dies, dies_once, faults, aborts, sleeps, waits, allocates):

    @register_block(what.__name__, kernels=(3,))
    def block(at, x, width, strides, what=what):
        x = at.layer(x, lambda name: Does(what, name=name), name="does")
        return at.conv(x, width, 3, strides, name="conv1")
