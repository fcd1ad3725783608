"""Pages that stand in the repository and are in the site, too."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = {
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "benchmarks/verdicts.md": "benchmarks/verdicts.md",
    "benchmarks/search.md": "benchmarks/search.md",
    "benchmarks/results.md": "benchmarks/results.md",
}
"""By their path in the site, their path in the repository."""
LINK = re.compile(r"(!?)\[([^]\n]+)\]\((?!https?:|#)([^)\s]+)\)")


def pages() -> dict[str, str]:
    """Return the text of every page by its path."""
    return {
        page: with_links((ROOT / source).read_text(encoding="utf-8"), page, source) for page, source in COPIED.items()
    }


def with_links(text: str, page: str, source: str) -> str:
    """Return a page whose links lead to pages of the site; a link to another file is its path."""
    pages = {path: name for name, path in COPIED.items()}

    def replaced(link: re.Match[str]) -> str:
        picture, words, target = link.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        here = posixpath.join("docs/generated", posixpath.dirname(page))
        if picture:
            return f"![{words}]({posixpath.relpath(path, here)})"
        if path in pages:
            return f"[{words}]({posixpath.relpath(pages[path], posixpath.dirname(page) or '.')})"
        return f"`{path}`"

    return LINK.sub(replaced, text)
