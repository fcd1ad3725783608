import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from resnet_core.nets.spec import NetSpec
from resnet_core.runs.fields import NET_GROUPS, fields_described, grouped

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_every_field_of_a_network_is_in_a_group_of_the_help():
    """A field that is in no group comes last in the help, among `others`."""
    assert list(grouped(fields_described(NetSpec), NET_GROUPS)) == list(NET_GROUPS)


def test_json_has_the_counts_and_the_spec(called):
    done = called("resnet-ablate", "show", "resnet50-d", "--json")
    shown = json.loads(done.stdout)
    assert list(shown) == ["name", "spec", "trainable", "bn_running_stats", "macs"]
    assert (shown["name"], shown["trainable"], shown["bn_running_stats"]) == ("resnet50-d", 25_576_264, 53_248)


def test_an_inline_spec(called):
    words = "--set block=bottleneck --set depths=3,4,6,3 --set widths=64,128,256,512 --skip B --stem imagenet"
    more = "--classes 1000 --input-shape 224,224,3 --json"
    done = called("resnet-ablate", "show", *words.split(), *more.split())
    assert json.loads(done.stdout)["trainable"] == 25_557_032


def test_the_table_has_a_row_a_stage_and_the_difference(called):
    done = called("resnet-ablate", "show", "resnet50-d", "resnet50", "--skip", "none")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines[1:8]] == ["stem", "stage1", "stage2", "stage3", "stage4", "head", "all"]
    assert ["skip", "none", "B"] in lines
    assert ["stem", "deep", "imagenet"] in lines


def test_a_diagram_is_svg_with_the_blocks_layers(called, tmp_path):
    assert called("resnet-ablate", "show", "resnet50", "--svg", "block.svg").returncode == 0
    text = " ".join(ET.parse(tmp_path / "block.svg").getroot().itertext())
    for word in ("1×1 conv, 512", "3×3 conv, 512", "1×1 conv, 2048", "BN", "relu", "+"):
        assert word in text
    plain = called("resnet-ablate", "show", "resnet50", "--skip", "none", "--svg", "plain.svg")
    assert plain.returncode == 0
    assert "+" not in " ".join(ET.parse(tmp_path / "plain.svg").getroot().itertext())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("resnt50", "did you mean 'resnet50'"),
        ("resnet50 --set blok=basic", "did you mean 'block'"),
        ("resnet50 --block botleneck", "did you mean 'bottleneck'"),
        ("resnet50 --skip C --skip-transform conv", "convolves every skip already"),
        ("resnet50 --set skip=A --skip B", "`skip` is set again"),
        ("resnet50 --svg no/such/folder.svg", "must name a file that can be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, message, called):
    done = called("resnet-ablate", "show", *words.split())
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


class TestPlugins:
    def test_the_block_of_the_documentation_runs_and_is_reported(self, program, tmp_path):
        code = (EXAMPLES / "my_block.py").read_text()
        (tmp_path / "my_block.py").write_text(code)
        name = re.search(r'register_block\("(\w+)"', code)[1]
        words = f"--plugin my_block.py --set block={name} --depth 8 --skip A --seeds 2 --set steps=12".split()
        done = program("resnet-ablate", "run", "depth", *words)
        assert "2 of 2 runs recorded (2 completed)" in done.stdout
        assert program("resnet-report", "results/local/depth").returncode == 0

    def test_a_block_of_keras_layers_has_its_cost_and_its_seeds(self, program, tmp_path):
        (tmp_path / "depthwise.py").write_text(
            "import keras\n"
            "from resnet_core import register_block\n"
            "@register_block('depthwise', kernels=(3, 1))\n"
            "def depthwise(at, x, width, strides):\n"
            "    make = lambda name: keras.layers.DepthwiseConv2D(3, strides, 'same', use_bias=False, name=name)\n"
            "    return at.conv(at.layer(x, make, name='conv1'), width, 1, name='conv2')\n"
        )
        words = ["run", "depth", "--plugin", "depthwise.py", "--set", "block=depthwise", "--depth", "8", "--skip", "A"]
        words += ["--seeds", "2", "--set", "steps=12"]
        assert "2 of 2 runs recorded (2 completed)" in program("resnet-ablate", *words).stdout
        first = {
            path.name: json.loads(path.read_text())["results"]
            for path in tmp_path.glob("results/local/depth/runs/*.json")
        }
        program("resnet-ablate", *words, "--out", "again")
        for name, results in first.items():
            assert json.loads((tmp_path / "again" / "depth" / "runs" / name).read_text())["results"] == results

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("at.conv(x, width + 1, 3, strides, name='conv1')", "odd.py: a block must return .* but 'odd' returned "),
            ("at.cnv(x)", r"the block 'odd' must return .* but .*odd\.py, line 3, raises AttributeError"),
            ("half(width)", r"odd\.py, line 4, raises ZeroDivisionError\('"),
            ("None", r"the block 'odd' must return .* but .*odd\.py raises AttributeError"),
        ],
    )
    def test_a_block_that_does_not_fit_is_named(self, body, message, program, tmp_path):
        code = "from resnet_core import register_block\n@register_block('odd')\ndef odd(at, x, width, strides): return "
        (tmp_path / "odd.py").write_text(f"{code}{body}\ndef half(width): return width // 0\n")
        for command in ("resnet-ablate run depth", "resnet-ablate show", "resnet-search run --space tiny --dry-run"):
            done = program(*command.split(), "--plugin", "odd.py", "--set", "block=odd")
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
            assert re.search(message, done.stderr), done.stderr

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (None, "must be a readable Python file"),
            ("x = 1 +", "line 1, raises"),
            ("\n\nraise KeyError('a')", "line 3, raises"),
            (
                "from resnet_core import register_block\nregister_block('basic')(print)",
                "there is a block 'basic' already",
            ),
        ],
    )
    def test_a_mistake_is_one_line_and_exit_code_2(self, text, message, program, tmp_path):
        if text is not None:
            (tmp_path / "mine.py").write_text(text)
        done = program("resnet-ablate", "run", "depth", "--plugin", "mine.py")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert message in done.stderr
