import hashlib
from pathlib import Path

from cbir.images.ids import image_ids


def test_an_image_id_is_the_start_of_the_sha256_and_later_pages_hash_their_number_too(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(b"x" * (3 << 20))
    expected = [hashlib.sha256(b"x" * (3 << 20) + tail).hexdigest()[:32] for tail in (b"", b"1", b"2")]
    assert image_ids(file, pages=3) == expected
    assert image_ids(file) == expected[:1]
