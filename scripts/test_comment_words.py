"""The wording of the product's comments stays within its limits."""

import comment_words
import pytest


@pytest.mark.parametrize("language", comment_words.PRODUCT)
def test_wording(language):
    total = comment_words.count(comment_words.product(language))
    assert total["words"] > 1000, "the files were not found"
    for kind, limit in comment_words.LIMITS.items():
        assert comment_words.rate(total, kind) < limit, comment_words.line(language, total)


def test_counts(tmp_path):
    source = tmp_path / "a.go"
    source.write_text(
        "//go:build who\n"
        "// Who waits, whoever it is,\n"
        "/* knows what\n * whose */ var s = \"// who\" + `/* what */` // it's whom's\n"
    )
    total = comment_words.count([source])
    assert total == {"words": 10, "who": 3, "what": 1}
    assert comment_words.rate(total, "who") == 300


def test_product(tmp_path):
    for name in (
        "goring/a.go",
        "goring/a_test.go",
        "include/goring/layout.h",
        "include/goring/b.h",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("/* who */")
    for language, file in (("Go", "a.go"), ("C", "b.h")):
        assert [path.name for path in comment_words.product(language, tmp_path)] == [file]
