"""Pages that are files of the repository: `<!-- file: PATH -->` stands for PATH, its relative links pointing into the repository."""

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FILE = re.compile(r"<!-- file: (\S+) -->")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


def on_page_markdown(markdown: str, config: Any, **_: Any) -> str:
    def text(match: re.Match[str]) -> str:
        path = match[1]

        def link(found: re.Match[str]) -> str:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found[3].split("#")[0]))
            if not (ROOT / target).exists():
                raise FileNotFoundError(f"{path} links to {target}")
            # A picture becomes a link to it: the site needs no network.
            return f"[{found[2]}]({config.repo_url}/blob/main/{target})"

        return LINK.sub(link, (ROOT / path).read_text(encoding="utf-8"))

    return FILE.sub(text, markdown)
