"""Compare a search with a plain KerasTuner script, on few photographs of four classes, in the same wall time.

`python -m benchmarks.four_classes FOLDER OUT` takes the first four classes of `FOLDER/train/CLASS` and
`FOLDER/test/CLASS`, makes `OUT/photographs` of them, with 400, 400, 200 and 80 training images of uneven size, some of
them grey, runs `resnet-search` of `TRIALS` trials and at most `PARAMETERS` parameters, then `tuner_script.py` for as
many seconds, and prints both test accuracies.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from PIL import Image

from benchmarks.__main__ import environment
from resnet_core.runs.records.store import Store
from resnet_core.seeds import generator
from search.listing import ranked_in

COUNTS = (400, 400, 200, 80)
TEST = 200  # images of each class
GREY = 8  # each so many-th image
SIDES = (28, 41)
SIZE = 32
TRIALS, EPOCHS, PARAMETERS = 12, 10, 60_000


def photographs(source: Path, out: Path) -> None:
    """Write the images, as JPEG.

    Args:
        source: Folder with `train/CLASS/` and `test/CLASS/`.
        out: The new folder.
    """
    classes = sorted(folder.name for folder in (source / "train").iterdir())[: len(COUNTS)]
    rng = generator(0, "photographs")
    for name, count in zip(classes, COUNTS, strict=True):
        for part, most in (("train", count), ("test", TEST)):
            folder = out / part / name
            folder.mkdir(parents=True)
            for number, file in enumerate(sorted((source / part / name).iterdir())[:most]):
                with Image.open(file) as opened:
                    image = opened.convert("L" if number % GREY == 0 else "RGB")
                width, height = (int(side) for side in rng.integers(*SIDES, size=2))
                image.resize((width, height), Image.Resampling.BICUBIC).save(folder / f"{number:04}.jpg", quality=95)


def search(data: Path, out: Path) -> tuple[float, float]:
    """Return the seconds of our search, its confirmation included, and the mean test accuracy of the best network."""
    start = time.monotonic()
    command = [
        "-m", "search", "run", "--data", data, "--image-size", SIZE, "--space", "photographs", "--trials", TRIALS,
        "--epochs", EPOCHS, "--max-params", PARAMETERS, "--confirm", 1, "--out", out,
    ]  # fmt: skip
    subprocess.run([sys.executable, *map(str, command)], check=True)
    seconds = time.monotonic() - start
    net = ranked_in(out / "search")[0].run.net
    records = [record for record in Store(out / "search" / "confirm").records() if record.run.net == net]
    return seconds, mean(record.results["test_accuracy"] for record in records)


def main(source: str, out: str) -> None:
    """Print the wall time, and the test accuracy of both."""
    data = Path(out) / "photographs"
    if not data.exists():
        photographs(Path(source), data)
    seconds, ours = search(data, Path(out))
    script = Path(__file__).with_name("tuner_script.py")
    arguments = [script, data, SIZE, int(seconds), PARAMETERS]
    theirs = subprocess.run([sys.executable, *map(str, arguments)], check=True, capture_output=True, text=True)
    print(f"{seconds:.0f} seconds; test accuracy of resnet-search {ours:.3f}")
    print(f"KerasTuner: {theirs.stdout.splitlines()[-1]}")
    print(environment())


if __name__ == "__main__":
    main(*sys.argv[1:])
