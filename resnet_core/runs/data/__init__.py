"""Data sets: named ones, `.npz` files and folders of images, as arrays in memory."""

from resnet_core.runs.data.arrays import Dataset, Images, check_sizes, prepare
from resnet_core.runs.data.named import register_source
from resnet_core.runs.data.sources import DataSource, open_source
from resnet_core.runs.description import DataInfo
from resnet_core.runs.reading import Reading

__all__ = [
    "DataInfo",
    "DataSource",
    "Dataset",
    "Images",
    "Reading",
    "check_sizes",
    "open_source",
    "prepare",
    "register_source",
]  # fmt: skip
