"""Settings of Sphinx. `make docs` builds the site, without a network."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
os.environ["IPYTHONDIR"] = str(DOCS / "_build" / "kernel")  # it runs kernel.py first, see `written`
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # what TensorFlow finds on the machine that builds the site
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the debugger of the kernel, which is not used, warns otherwise

project = "resnet-ablation"
author = "The authors of resnet-ablation"
project_copyright = author
release = version = version_of("resnet-ablation")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "written"]
exclude_patterns = ["_build", "examples"]
html_theme = "furo"
html_title = f"resnet-ablation {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_build/extra"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it loads pages, which a browser refuses to a site of files
templates_path: list[str] = []

smartquotes = False  # `--option` keeps its two dashes
default_role = "py:obj"  # `NetSpec` in a docstring is a link where there is such a thing, else code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 1200  # seconds of a cell, on a machine that has much else to do
nb_execution_in_temp = True
nb_execution_excludepatterns: list[str] = []
nb_merge_streams = True
nb_output_stderr = "remove-warn"
