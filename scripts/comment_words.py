"""The wording of comments: per 1,000 words of comment, the pronouns that stand for a name.

python scripts/comment_words.py         the counts of the product's Go and C
python scripts/comment_words.py FILE..  those of the files, each on a line, worst first
"""

import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"who": 0.5, "what": 1.0}  # per 1,000 words of comment
WORDS = {"who": {"who", "whoever", "whose", "whom"}, "what": {"what"}}

PRODUCT = {
    "Go": [f"{d}/**/*.go" for d in ("layout", "internal", "goring", "pool", "pybridge", "cmd")],
    "C": [f"{d}/*.[ch]" for d in ("include/goring", "internal/cudadrv", "pybridge/core")],
}

_TOKEN = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `[^`]*`""", re.S | re.X
)
_DIRECTIVE = re.compile(r"//(go:|line |export |nolint)|// ?#cgo ")


def comments(text):
    """The comments of a Go or C source, without directives."""
    for token in _TOKEN.findall(text):
        if token.startswith(("/*", "//")) and not _DIRECTIVE.match(token):
            yield token


def count(paths):
    """The number of words of comment in the files, and of those of each kind.

    Returns a Counter with the keys "words", "who" and "what".
    """
    total = Counter()
    for path in paths:
        for comment in comments(path.read_text()):
            words = re.findall(r"[A-Za-z][A-Za-z']*", comment)
            total["words"] += len(words)
            for kind, meant in WORDS.items():
                total[kind] += sum(word.lower() in meant for word in words)
    return total


def rate(total, kind):
    """How many words of a kind there are per 1,000 words of comment."""
    return 1000 * total[kind] / max(total["words"], 1)


def product(language, root=ROOT):
    """The files of the product in "Go" or "C", without tests and generated code."""
    found = {path for pattern in PRODUCT[language] for path in root.glob(pattern)}
    return sorted(
        path
        for path in found
        if not path.name.endswith("_test.go")
        and not {"_native", "testdata", "house"} & set(path.relative_to(root).parts)
        and path.name != "layout.h"
    )


def line(name, total):
    """One line of the report."""
    rates = ", ".join(f"{kind} {rate(total, kind):.1f}" for kind in WORDS)
    return f"{name}: {total['words']} words of comment; per 1,000: {rates}"


if __name__ == "__main__":
    if sys.argv[1:]:
        counts = {name: count([Path(name)]) for name in sys.argv[1:]}
        for name, total in sorted(counts.items(), key=lambda c: -c[1]["who"] - c[1]["what"]):
            print(line(name, total))
    else:
        for language in PRODUCT:
            print(line(language, count(product(language))))
