"""Whatever is put into config.toml comes out of it again, and the rest stays."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from oort import settings as subject
from oort.errors import SettingsError
from oort.policy.paths import pattern_error
from oort.settings.reading import line_of
from oort.values import Watch

words = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf", "Cn", "Co")),
    min_size=1,
    max_size=20,
)
names = words
paths = (
    st.lists(
        st.text(
            st.characters(exclude_characters="/\0", exclude_categories=("Cs",)),
            min_size=1,
            max_size=10,
        )
        | st.sampled_from(["caf\udce9", "100%", "a b"]),
        min_size=1,
        max_size=3,
    )
    .filter(lambda parts: not {".", "..", "~"} & set(parts))
    .map(lambda parts: Path("/", *parts))
)
tags = st.lists(words.filter(lambda word: "," not in word), max_size=3).map(tuple)
watches = st.builds(
    Watch,
    name=names,
    path=paths,
    dataset=st.sampled_from(["{folder}", "{night} {object}", "plain"]),
    telescope=st.none() | words,
    username=st.none() | words,
    tags=tags.filter(
        lambda found: not any(t.lower().startswith(("oort|", "arcsecond|")) for t in found)
    ),
    include=st.lists(words.filter(lambda word: not pattern_error(word)), max_size=2).map(tuple),
    settle_s=st.none() | st.floats(0.1, 3600),
    raw=st.booleans(),
    new_only=st.booleans(),
)


@settings(deadline=None, max_examples=60)
@given(
    found=st.lists(watches, max_size=3, unique_by=(lambda w: w.name, lambda w: w.path)),
    workers=st.integers(1, 64) | st.just("auto"),
    settle_s=st.floats(0.1, 3600),
)
def test_settings_survive_being_written(
    found: list[Watch], workers: int | str, settle_s: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text("# kept\n\npoll_s = 7 # also kept\n")
        for watch in found:
            subject.add_watch(path, watch)
        subject.set_value(path, "workers", str(workers))
        subject.set_value(path, "settle_s", repr(settle_s))

        loaded = subject.load(path)
        text = path.read_text()
        for watch in found:
            subject.remove_watch(path, watch.name)

        assert tuple(found) == loaded.watches
        assert (workers, settle_s, 7.0) == (loaded.workers, loaded.settle_s, loaded.poll_s)
        assert "# kept" in text
        assert "# also kept" in text
        assert () == subject.load(path).watches
        assert (workers, settle_s) == (subject.load(path).workers, subject.load(path).settle_s)


lines = st.sampled_from(
    [
        "workers = 3",
        "workers = 99",
        "poll_s = 5 # x",
        "[[watch]]",
        'name = "a"',
        "name = 'b'",
        'path = "/a"',
        'path = "/b"',
        "tags = [",
        '"x",',
        "]",
        '"""',
        'host = """',
        "# comment",
        "",
        "\t",
        "[watch.x]",
        "a.b = 1",
        "= 1",
    ]
)


@settings(deadline=None)
@given(text=st.lists(lines, max_size=12).map("\n".join) | st.text(max_size=60))
def test_any_text_is_understood_or_refused_with_a_line_that_exists(text: str) -> None:
    try:
        subject.parse(text.encode(), Path("config.toml"), {})
    except SettingsError as error:
        line = int(str(error).split(":")[1])
        assert 1 <= line <= text.count("\n") + 1


@given(
    before=st.lists(
        st.sampled_from(["# x", "", 'proxy = ""', "tags = [\n1,\n\n2]", "a = '''\nb'''"]),
        unique=True,
    ),
    index=st.integers(0, 3),
)
def test_the_line_of_a_key_is_the_line_on_which_it_stands(before: list[str], index: int) -> None:
    text = "\n".join([*before, *['[[watch]]\nname = "a" # [[watch]]'] * (index + 1)])
    tomllib.loads(text)

    line = line_of(text, ("watch", index, "name"))

    assert 'name = "a" # [[watch]]' == text.split("\n")[line - 1]
    assert index + 1 == sum(1 for each in text.split("\n")[:line] if each.startswith("name"))
