"""What `LQO_SPOOL_KEEP` may say."""

import pytest

from ingest.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", (24.0, None)),
        ("6", (6.0, None)),
        ("0.5h", (0.5, None)),
        ("10GB", (24.0, 10_000_000_000)),
        ("24h,1.5GiB", (24.0, 1_610_612_736)),
        ("200 mb, 2 h", (2.0, 200_000_000)),
        ("0h,0kb", (0.0, 0)),
    ],
)
def test_a_time_a_size_or_both_say_how_long_loaded_segments_stay(
    text: str, kept: tuple[float, int | None]
) -> None:
    settings = load_settings({"LQO_SPOOL_KEEP": text})
    assert (settings.spool_keep_hours, settings.spool_keep_bytes) == kept


@pytest.mark.parametrize(
    "text",
    [
        "-1h",
        "nan",
        "inf",
        "1e400",
        "10 G",
        "10000000000",
        "1h,2h",
        "1GB,2GB",
        "24h,",
        ",",
        " ",
        "한 시간",
        "1GB;1h",
    ],
)
def test_what_is_neither_a_time_nor_a_size_is_one_line(text: str) -> None:
    with pytest.raises(SettingsError, match="LQO_SPOOL_KEEP must be such as") as refused:
        load_settings({"LQO_SPOOL_KEEP": text})
    assert "\n" not in str(refused.value)
