"""Data sets: named ones, `.npz` files and folders of images, as arrays in memory."""

from resnet_core.runs.data.arrays import Dataset, Images, check_sizes, prepare
from resnet_core.runs.data.sources import DataInfo, Source, open_source, register_source

__all__ = ["DataInfo", "Dataset", "Images", "Source", "check_sizes", "open_source", "prepare", "register_source"]
