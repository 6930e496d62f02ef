from datetime import UTC, datetime

import pytest

from chargerd import codec
from chargerd.ocpp.jobs import MAX_ARGUMENT_BYTES, UPLOAD, Upload, public_location, upload_job


def test_an_order_survives_the_way_to_the_shell() -> None:
    upload = Upload(
        location="https://files.example/", filename="a", content="ü" * 500_000, oldest=datetime(2026, 1, 1, tzinfo=UTC)
    )
    job = upload_job("7", upload)
    assert (job.job_id, job.kind) == ("7", UPLOAD)
    assert codec.decode(Upload, job.arguments, max_bytes=MAX_ARGUMENT_BYTES) == upload


@pytest.mark.parametrize(
    "url, shown",
    [
        ("https://user:pass@files.example/a/b?sig=secret#x", "https://files.example/a/b"),
        ("http://user:p@ss@files.example", "http://files.example"),
        ("https://files.example/a@b", "https://files.example/a@b"),
        ("https://files.example?x=//a@b", "https://files.example"),
    ],
)
def test_a_location_is_shown_without_what_opens_it(url: str, shown: str) -> None:
    assert public_location(url) == shown


def test_no_secret_is_in_the_repr() -> None:
    upload = Upload(location="https://user:hush@files.example/", filename="a", content="text")
    assert repr(upload) == "Upload(a to https://files.example/)"
    assert "hush" not in repr(upload_job("1", upload))
