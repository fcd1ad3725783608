"""The photographs on which a search and a KerasTuner script are compared."""

import numpy as np
from PIL import Image

from benchmarks import four_classes


def test_the_photographs_are_few_uneven_and_some_grey(tmp_path, monkeypatch):
    monkeypatch.setattr(four_classes, "COUNTS", (9, 3))
    monkeypatch.setattr(four_classes, "TEST", 2)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for part in ("train", "test"):
        for name in ("ant", "bee", "cow"):
            folder = tmp_path / "source" / part / name
            folder.mkdir(parents=True)
            for number in range(10):
                Image.fromarray(pixels).save(folder / f"{number}.png")
    four_classes.photographs(tmp_path / "source", tmp_path / "photographs")
    files = sorted((tmp_path / "photographs").glob("*/*/*.jpg"))
    counts = {folder: sum(file.parent == tmp_path / "photographs" / folder for file in files)
              for folder in ("train/ant", "train/bee", "test/ant", "test/bee")}  # fmt: skip
    assert (list(counts.values()), len(files)) == ([9, 3, 2, 2], 16)
    forms = []
    for file in files:
        with Image.open(file) as image:
            forms.append((image.mode, image.size))
    assert sum(mode == "L" for mode, _ in forms) == 5
    assert len({size for _, size in forms}) > 5
