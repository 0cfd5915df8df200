"""The Markdown that Sphinx reads: the documents of the repository with their links turned to the
site's pages, the reference, and the files of code that documents link to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

from contents import CHINESE_TITLES, LIVE, REFERENCE, ROOT_DOCUMENTS, SECTIONS
from reference import page_text

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ENDING = {"en": ".md", "zh": ".zh-CN.md"}
README = {"en": "README.md", "zh": "README.zh-CN.md"}
LINK = re.compile(r"(?<=\]\()([^()\s]+)(?=\))|(?<=\]: )(\S+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)

INTRODUCTION = {
    "en": """# Reference

Every public name of tinynet, with its signature and docstring. PyTorch's names lie where PyTorch
has them. "Differs from PyTorch in" says which arguments are missing or added, and which results
differ on purpose; [Coming from PyTorch](../coming_from_pytorch.md) has what holds everywhere, and
the names that are missing.
""",
    "zh": """# 参考

tinynet 的每一个公开名字，连同签名和说明（说明取自代码，是英文）。名字的位置与 PyTorch 相同。
“与 PyTorch 的不同”写明缺少或多出哪些参数，以及哪些结果有意不同；处处成立的差别和缺少的名字见
[从 PyTorch 过来](../coming_from_pytorch.md)。
""",
}
ONLY_ENGLISH = "```{note}\n这一页目前只有英文。\n```"
COMMANDS = {"en": "The command line", "zh": "命令行"}


def in_language(document: str) -> str:
    return "zh" if document.endswith(ENDING["zh"]) else "en"


def in_both(name: str) -> bool:
    """Whether a page exists in both languages."""
    return name == "index" or (DOCS / f"{name}{ENDING['zh']}").exists()


class Site:
    """The sources of one language, written into a folder."""

    def __init__(self, language: str, folder: Path) -> None:
        self.language, self.folder = language, folder
        self.linked: set[str] = set()  # files and folders of the repository
        self.borrowed = False  # whether an English document is being turned for the Chinese site

    # ------------------------------------------------------------------------------------- links

    def page_of(self, path: str) -> tuple[str, str] | None:
        """Language and name of the page that shows a document of the repository."""
        for name, document in ROOT_DOCUMENTS.items():
            if path == document:
                return "en", name
        for language, document in README.items():
            if path == document:
                return language, "index"
        if path.endswith(".md") and path.startswith("docs/"):
            language = in_language(path)
            return language, path.removeprefix("docs/").removesuffix(ENDING[language])
        return None

    def link(self, target: str, base: PurePosixPath, depth: int) -> str:
        """Where a link of a document leads on the site."""
        if re.match(r"\w+:|#", target):
            return target
        path, hash_, fragment = target.partition("#")
        path = os.path.normpath(base / path).replace(os.sep, "/")
        up = "../" * depth
        top = up + ("../" if self.language == "zh" else "")  # of the whole site
        if page := self.page_of(path):
            language, name = page
            if language == self.language or (self.language == "zh" and (
                    self.borrowed or not in_both(name))):
                return f"{up}{name}.md{hash_}{fragment}"
            return other(f"{top}{'zh/' if language == 'zh' else ''}{name}.html", fragment)
        if path in ("docs/play.html", "docs/network.html"):
            if self.language == "zh" and "lang=" not in fragment:
                fragment = (fragment + "&" if fragment else "") + "lang=zh"
            return other(top + path.removeprefix("docs/"), fragment)
        if path.startswith("docs/") and (ROOT / path).is_file():
            return up + path.removeprefix("docs/")
        if path == "docs":
            return other(up + "index.html", "")
        self.linked.add(path)
        return other(f"{top}source/{path}" + ("/index" if (ROOT / path).is_dir() else "")
                     + ".html", fragment)  # fmt: skip

    def turned(self, text: str, base: str, depth: int = 0) -> str:
        """A document with its links turned, apart from what is code."""
        def turn(match: re.Match[str]) -> str:
            return self.link(match[0], PurePosixPath(base), depth)

        text = re.sub(r"\n+(?=\n```$)", "", text, flags=re.MULTILINE)  # empty ends of code
        if self.language == "zh":
            text = joined(text)
        pieces, end = [], 0
        for code in CODE.finditer(text):
            pieces += [LINK.sub(turn, text[end:code.start()]), code[0]]
            end = code.end()
        # A link whose text holds code is cut in two by this, so what follows the code is a piece
        # that begins with "](".
        return "".join([*pieces, LINK.sub(turn, text[end:])])

    # ------------------------------------------------------------------------------------- pages

    def write(self, name: str, text: str) -> None:
        path = self.folder / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def contents(self) -> str:
        """The tables of contents, one for each section."""
        lines = []
        for titles, pages in SECTIONS:
            lines += ["```{toctree}", ":hidden:", f":caption: {titles[self.language == 'zh']}", ""]
            named = CHINESE_TITLES if self.language == "zh" else {}
            lines += [f"{named[page]} <{page}>" if page in named else page for page in pages]
            lines += ["```", ""]
        return "\n".join(lines)

    def live(self, name: str) -> str:
        file, titles, texts = LIVE[name]
        chinese = self.language == "zh"
        address = ("../" if chinese else "") + file + ("#lang=zh" if chinese else "")
        alone = "单独打开这个网页" if chinese else "Open the page alone"
        return (
            f"---\nhide-toc: true\n---\n\n# {titles[chinese]}\n\n{texts[chinese]}\n"
            f'<a href="{address}">{alone}</a>\n\n'
            f'<iframe class="live" src="{address}" title="{titles[chinese]}"></iframe>\n'
        )

    def commands(self) -> str:
        """What the commands say of themselves."""
        lines = [f"# {COMMANDS[self.language]}", ""]
        for name in ("", "explain", "run", "check"):
            command = ["tinynet", *([name] if name else []), "--help"]
            said = subprocess.run(
                [sys.executable, "-m", *command], capture_output=True, text=True, check=True,
                cwd=ROOT, env={**os.environ, "COLUMNS": "80"},
            ).stdout  # fmt: skip
            lines += [f"## `tinynet {name}`".replace(" `", "`"), "", "```text", said, "```", ""]
        return "\n".join(lines)

    def reference(self) -> None:
        for page in REFERENCE:
            self.write(f"reference/{page.name}", page_text(page, self.language))
        self.write("reference/commands", self.commands())
        names = "\n".join(page.name for page in REFERENCE)
        introduction = self.turned(INTRODUCTION[self.language], "docs/reference", 1)
        self.write("reference/index",
                   f"{introduction}\n```{{toctree}}\n:maxdepth: 1\n\n{names}\ncommands\n```\n")

    def source(self, path: str) -> None:
        """A page with a file of the repository, or with the list of a folder's files."""
        whole = ROOT / path
        if not whole.is_dir():
            language = {".py": "python", ".cu": "c", ".toml": "toml"}.get(whole.suffix, "text")
            text = whole.read_text(encoding="utf-8")
            self.write(f"source/{path}", f"---\norphan: true\n---\n\n# {path}\n\n"
                       f"``````{{code-block}} {language}\n:linenos:\n\n{text}\n``````\n")
            return
        lines = [f"---\norphan: true\n---\n\n# {path}/\n"]
        for file in sorted(whole.iterdir()):
            if file.suffix in (".py", ".cu", ".ipynb"):
                self.linked.add(f"{path}/{file.name}")
                lines.append(f"- [`{file.name}`]({other(file.name + '.html', '')})")
            elif file.is_dir() and (file / "__init__.py").exists():
                self.linked.add(f"{path}/{file.name}")
                lines.append(f"- [`{file.name}/`]({other(file.name + '/index.html', '')})")
        self.write(f"source/{path}/index", "\n".join(lines) + "\n")

    def notebook(self, path: str) -> None:
        address = other(Path(path).name, "")
        self.write(f"source/{path}", f"---\norphan: true\n---\n\n# {path}\n\n"
                   f"A notebook with its outputs: [download it]({address}), and open it with "
                   "`jupyter lab` or an editor.\n")

    def sources(self) -> None:
        """Pages for all that documents link to, and for what these pages list."""
        done: set[str] = set()
        while waiting := sorted(self.linked - done):
            for path in waiting:
                (self.notebook if path.endswith(".ipynb") else self.source)(path)
            done |= {*waiting}

    def document(self, path: Path, name: str, base: str) -> None:
        """A page with a document. On the Chinese site an English one says that it is."""
        self.borrowed = self.language == "zh" and in_language(path.name) == "en"
        text = self.turned(path.read_text(encoding="utf-8"), base)
        if self.borrowed:
            text = re.sub(r"^# .*$", lambda head: f"{head[0]}\n\n{ONLY_ENGLISH}", text, count=1,
                          flags=re.MULTILINE)  # fmt: skip
        self.borrowed = False
        self.write(name, text)

    def make(self) -> None:
        for path in sorted(DOCS.rglob("*")):
            name = path.relative_to(DOCS).as_posix()
            if path.suffix in (".png", ".svg"):
                copy = self.folder / name
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
            elif path.suffix == ".md" and in_language(name) == self.language:
                self.document(path, name.removesuffix(ENDING[self.language]), "docs")
            elif path.suffix == ".md" and self.language == "zh" and not in_both(path.stem):
                self.document(path, path.stem, "docs")
        for name, document in ROOT_DOCUMENTS.items():
            self.document(ROOT / document, name, ".")
        for name in LIVE:
            self.write(name, self.live(name))
        self.reference()
        readme = (ROOT / README[self.language]).read_text(encoding="utf-8")
        self.write("index", self.turned(readme, ".") + "\n" + self.contents())


def joined(text: str) -> str:
    """Chinese text without the ends of lines that a browser would show as spaces."""
    wide = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef\u201c\u201d]"
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(rf"(?<={wide})\n *(?={wide})", "", parts[i])
    return "".join(parts)


def other(address: str, fragment: str) -> str:
    """A link to what this run of Sphinx does not make. `conf.py` knows the two schemes."""
    return f"place:{address}#{fragment}" if fragment else f"page:{address}"
