"""Which names are sent, and the rule in words for the others."""

from __future__ import annotations

import pathspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oort.policy import paths
from oort.policy.paths import KEPT, Rules, Verdict


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (b".DS_Store", "hidden: `.DS_Store` starts with a dot"),
        (b"night/.cache/a.fits", "hidden: `.cache` starts with a dot"),
        (b".nfs0001", "hidden: `.nfs0001` starts with a dot"),
        (b".\xff", "hidden: `.\\xff` starts with a dot"),
    ],
)
def test_a_component_that_starts_with_a_dot_hides_the_file(name: bytes, rule: str) -> None:
    assert Rules().judge_name(name) == (Verdict.HIDDEN, rule)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        (b"a.tmp", "*.tmp"),
        (b"d/a.fits.part", "*.part"),
        (b"a.partial", "*.partial"),
        (b"a.fits~", "*~"),
        (b"a.crdownload", "*.crdownload"),
        (b"a.swp", "*.swp"),
        (b"copying.part/a.fits", "*.part"),
        (b"caf\xe9.tmp", "*.tmp"),
    ],
)
def test_what_programs_leave_while_they_write_is_never_sent(name: bytes, pattern: str) -> None:
    assert Rules().judge_name(name) == (Verdict.EXCLUDED, f"always excluded by `{pattern}`")
    assert Rules(include=["*"]).judge_name(name)[0] is Verdict.EXCLUDED


@pytest.mark.parametrize(
    "name",
    [b"a.fits", b"a.TMP", b"tmp", b"a.tmp.fits", b"a.tmp\n", b"a..fits", b"caf\xe9.fits", b"~a"],
)
def test_other_names_are_kept(name: bytes) -> None:
    assert Rules().judge_name(name) == KEPT


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (b"flat_1.fits", "excluded by `flat_*`"),
        (b"deep/down/flat_1.fits", "excluded by `flat_*`"),
        (b"calib/a.fits", "excluded by `calib/`"),
        (b"x/calib/y/a.fits", "excluded by `calib/`"),
        (b"top.fits", "excluded by `/top.fits`"),
        (b"logs/2026/a.log", "excluded by `logs/**/*.log`"),
        (b"calib/keep.fits", "excluded by `calib/`"),
        (b"bad\xff.raw", "excluded by `*.raw`"),
        (b"two\nlines.raw", "excluded by `*.raw`"),
    ],
)
def test_exclude_reads_as_gitignore_does(name: bytes, rule: str) -> None:
    rules = Rules(
        exclude=["flat_*", "calib/", "/top.fits", "logs/**/*.log", "!calib/keep.fits", "*.raw"]
    )

    assert rules.judge_name(name) == (Verdict.EXCLUDED, rule)


@pytest.mark.parametrize(
    "name", [b"calib", b"x/top.fits", b"a.log", b"raw/a.fits", b"x.raw\n", b"logs/a.fits"]
)
def test_exclude_leaves_the_rest(name: bytes) -> None:
    rules = Rules(exclude=["flat_*", "calib/", "/top.fits", "logs/**/*.log", "*.raw"])

    assert rules.judge_name(name) == KEPT


def test_a_later_exclamation_mark_takes_a_file_back() -> None:
    rules = Rules(exclude=["*.jpg", "!finder.jpg"])

    assert rules.judge_name(b"a.jpg")[0] is Verdict.EXCLUDED
    assert rules.judge_name(b"x/finder.jpg") == KEPT


def test_with_include_only_what_matches_is_kept() -> None:
    rules = Rules(include=["*.fits", "lights/"])

    assert rules.judge_name(b"a/b.fits") == KEPT
    assert rules.judge_name(b"lights/notes.txt") == KEPT
    assert rules.judge_name(b"notes.txt") == (
        Verdict.EXCLUDED,
        "not included by `*.fits`, `lights/`",
    )


def test_exclude_wins_over_include() -> None:
    rules = Rules(include=["*.fits"], exclude=["flat*"])

    assert rules.judge_name(b"flat.fits") == (Verdict.EXCLUDED, "excluded by `flat*`")


def test_include_closes_no_folder() -> None:
    """A folder that matches nothing may hold a file that does."""
    assert Rules(include=["*.fits"]).judge_folder(b"night/one") == KEPT


@pytest.mark.parametrize(
    ("folder", "verdict"),
    [
        (b"", Verdict.KEPT),
        (b"a/b", Verdict.KEPT),
        (b"a/.git", Verdict.HIDDEN),
        (b".git/a", Verdict.HIDDEN),
        (b"calib", Verdict.EXCLUDED),
        (b"calib/deep", Verdict.EXCLUDED),
        (b"copying.tmp", Verdict.EXCLUDED),
    ],
)
def test_a_walk_enters_only_folders_that_are_kept(folder: bytes, verdict: Verdict) -> None:
    assert Rules(exclude=["calib/"]).judge_folder(folder).verdict is verdict


def test_an_empty_file_is_left_out() -> None:
    assert paths.judge_size(0) == (Verdict.EMPTY, "the file is empty")
    assert paths.judge_size(1) == KEPT


def test_a_pattern_that_is_none_is_refused() -> None:
    assert paths.pattern_error("*.fits") is None
    assert paths.pattern_error("!") is not None
    with pytest.raises(ValueError, match="Invalid git pattern"):
        Rules(exclude=["!"])


_component = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)
_path = st.lists(_component, min_size=1, max_size=4).map(b"/".join)


@given(_path)
def test_the_quick_rule_for_temporary_names_is_that_of_gitignore(path: bytes) -> None:
    spec = pathspec.GitIgnoreSpec.from_lines(paths.ALWAYS_EXCLUDED, backend="simple")
    text = path.decode("utf-8", "surrogateescape").replace("\n", "_")
    if any(part.startswith(".") for part in text.split("/")):
        return

    assert (Rules().judge_name(path)[0] is Verdict.EXCLUDED) == spec.match_file(text)


@given(_path, st.sampled_from([(), ("*.fits",), ("a", "b/")]), st.sampled_from([(), ("c*", "d/")]))
def test_a_path_is_judged_as_a_walk_would(
    path: bytes, include: tuple[str, ...], exclude: tuple[str, ...]
) -> None:
    """What `status` says of one path is what the scanner does with it."""
    rules = Rules(include, exclude)
    parts = path.split(b"/")
    folders = [b"/".join(parts[:n]) for n in range(1, len(parts))]
    walked = next(
        (
            judged
            for folder in folders
            if (judged := rules.judge_folder_entry(folder)).verdict is not Verdict.KEPT
        ),
        None,
    )

    assert rules.judge_name(path) == (walked or rules.judge_file_entry(path))


@pytest.mark.parametrize(
    ("include", "exclude"),
    [
        ([], ["*.jpg", "!keep.jpg", "calib/", "/top.txt"]),
        (["*.fits", "!bad.fits"], []),
        (["night/"], ["a?.fits", "#no comment", ""]),
        (["**/deep/*"], ["*.JPG"]),
    ],
)
def test_patterns_that_are_asked_at_once_say_what_each_says(
    include: list[str], exclude: list[str]
) -> None:
    """The quick question is held against pathspec itself."""
    rules = Rules(include, exclude)
    names = ["a.fits", "ab.fits", "bad.fits", "a.jpg", "keep.jpg", "top.txt", "A.JPG", "no comment"]
    for folder in ("", "night/", "calib/", "x/deep/", "night/calib/"):
        for name in names:
            path = folder + name
            said = rules.judge_file_entry(path.encode())
            out = pathspec.GitIgnoreSpec.from_lines(exclude, backend="simple").match_file(path)
            kept = pathspec.GitIgnoreSpec.from_lines(include, backend="simple").match_file(path)
            assert (said is KEPT) == (not out and (kept or not include)), path
