"""What the maker of the bench gives out is what a real device takes."""

from pathlib import Path

from chargerd.bench.maker import HARDWARE, PRODUCT, SINCE, Maker
from firmware import maker
from firmware.ocpp_signature import FileSignature, check_certificate
from firmware.verify import Device


def test_a_release_carries_both_signatures(tmp_path: Path) -> None:
    bench = Maker(tmp_path)
    release = bench.release("2.0.0", 3, payload_bytes=3_000_000)
    device = Device(PRODUCT, HARDWARE, bench.key_list.keys, 3)
    assert maker.verify(release.file, device).finish().version == "2.0.0"
    root = bench.root_pem.encode()
    at_utc = SINCE.replace(year=2026)
    signature = FileSignature(
        check_certificate(release.certificate_pem, [root], at_utc, floor_utc=at_utc), release.signature
    )
    signature.feed(release.file.read_bytes())
    signature.finish()
    assert release.file.stat().st_size > 3_000_000
