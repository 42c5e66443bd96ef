"""What holds of names and nights whatever a camera writes."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from oort.policy import bandwidth, naming, night

texts = st.text(max_size=150)
headers = st.dictionaries(st.sampled_from([*night.HEADER_KEYS, *naming.HEADER_KEYS]), texts)


@given(name=texts)
def test_a_name_is_tidy_short_and_stays_what_it_is(name: str) -> None:
    short = naming.shorten(name)

    assert len(short) <= naming.LONGEST_NAME
    assert unicodedata.is_normalized("NFC", short)
    assert short == short.strip()
    assert short == naming.shorten(short)


@given(root=texts, rel_path=st.binary(max_size=80), header=headers)
def test_every_file_has_a_dataset(root: str, rel_path: bytes, header: dict[str, str]) -> None:
    name = naming.dataset_name(
        "{folder} {object} {filter}",
        watch="w",
        root_name=root,
        rel_path=rel_path,
        header=header,
        night=None,
        host="h",
    )

    assert name
    name.encode()


@given(value=texts)
def test_an_escaped_value_has_no_marks_and_reads_back(value: str) -> None:
    escaped = naming.escape(value)

    assert not {",", "|"} & set(escaped)
    assert value == unquote(escaped)


@given(template=texts)
def test_a_template_is_used_or_refused(template: str) -> None:
    try:
        naming.check_template(template)
    except ValueError:
        return
    naming.dataset_name(
        template, watch="w", root_name="r", rel_path=b"a", header={}, night=None, host="h"
    )


@given(header=headers, mtime_ns=st.integers(), longitude=st.floats() | st.none())
def test_every_file_has_a_night(
    header: dict[str, str], mtime_ns: int, longitude: float | None
) -> None:
    moment = night.moment_of(header, mtime_ns)

    assert moment.utcoffset() is not None
    night.night_of(moment, longitude)


@given(text=texts | st.text("0123456789:,.kMpause off", max_size=40), now=st.times())
def test_a_limit_is_understood_or_refused(text: str, now: object) -> None:
    try:
        rate = bandwidth.parse(text).rate_at(now)  # type: ignore[arg-type]  # hypothesis' times
    except ValueError:
        return
    assert rate is None or rate == 0 or rate >= 1
