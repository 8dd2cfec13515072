"""cbir.images.gif: GIFs of every kind are whole, and one whose data gives more or fewer pixels than it has is not."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cbir.images.gif import require_every_pixel
from cbir.images.reading import UnreadableImage, read_image
from tests.support.scenes import GREY, SCENE

NOISE = np.random.default_rng(0).integers(0, 255, (200, 300), dtype=np.uint8)  # fills the table again and again


def gif(picture: np.ndarray, colours: int = 128, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).quantize(colours).save(buffer, "GIF", **options)
    return buffer.getvalue()


def frames(*pictures: np.ndarray, **options: object) -> bytes:
    """An animation whose frames have palettes of their own."""
    return gif(pictures[0], save_all=True, append_images=[Image.fromarray(each) for each in pictures[1:]], **options)


SOUND = {
    "interlaced": gif(SCENE, interlace=1),
    "in order": gif(SCENE, interlace=0),
    "full tables": gif(NOISE, 256),
    "two colours": gif(SCENE, 2),
    "one pixel": gif(SCENE[:1, :1]),
    "one tone": gif(np.full((900, 1200), 7, np.uint8)),
    "transparent": gif(SCENE, transparency=3, comment=b"of 1921"),
    "several frames": frames(SCENE, SCENE[::-1], NOISE, duration=50, loop=0),
    "frames of parts": frames(GREY, np.where(GREY > 90, GREY, 0).astype(np.uint8), disposal=2),
}


def lzw(data: bytes) -> bytes:
    """A picture of 2 × 2 pixels with these bytes of codes, for two bits a colour."""
    head = b"GIF89a\x02\0\x02\0\x91\0\0" + bytes(range(12))
    return head + b"\x2c\0\0\0\0\x02\0\x02\0\0\x02" + bytes([len(data)]) + data + b"\0;"


def codes(*values: int) -> bytes:
    """Codes of three bits, as many as a table of two bits has before it grows."""
    joined = sum(value << 3 * place for place, value in enumerate(values))
    return lzw(joined.to_bytes(-(-3 * len(values) // 8), "little"))


@pytest.mark.parametrize("kind", SOUND)
def test_a_gif_of_every_kind_has_every_pixel(kind: str) -> None:
    require_every_pixel(SOUND[kind])


def test_a_palette_is_skipped_where_it_is_a_picture_s_own() -> None:
    assert SOUND["several frames"].count(b"\x2c\0\0\0\0\x2c\x01\xc8\0") == 1  # 300 × 200 pixels from the corner
    at = SOUND["several frames"].index(b"\x2c\0\0\0\0\x2c\x01\xc8\0")
    assert SOUND["several frames"][at + 9] & 0x80


def test_codes_give_as_many_pixels_as_the_picture_has() -> None:
    require_every_pixel(codes(4, 1, 6, 1, 5))  # clear, one pixel, two that the table is about to hold, one, end
    with pytest.raises(ValueError, match="picture 1 has 4 pixels, and its data gives 3"):
        require_every_pixel(codes(4, 1, 6, 5))
    with pytest.raises(ValueError, match="picture 1 has 4 pixels, and its data gives 5"):
        require_every_pixel(codes(4, 1, 6, 6, 5))
    with pytest.raises(ValueError, match="a code is not in its table"):
        require_every_pixel(codes(4, 1, 7, 1, 5))
    with pytest.raises(ValueError, match="a code is not in its table"):
        require_every_pixel(codes(4, 6, 1, 1, 5))
    with pytest.raises(ValueError, match="a colour has 1 bits"):
        require_every_pixel(codes(4, 1, 6, 1, 5).replace(b"\x02\x02", b"\x01\x02"))


@pytest.mark.parametrize("kind", ["in order", "full tables"])
def test_a_part_that_is_lost_or_doubled_is_corrupt_in_one_sentence(tmp_path: Path, kind: str) -> None:
    chance, path, data = random.Random(0), tmp_path / "a.gif", SOUND[kind]
    for _ in range(10):
        at, size = chance.randrange(1000, len(data) - 600), chance.choice([1, 16, 512])
        for changed in (data[:at] + data[at + size :], data[: at + size] + data[at:]):
            path.write_bytes(changed)
            with pytest.raises(UnreadableImage, match=r"^[^\n]*the GIF data is damaged or cut off: [^\n]*$") as caught:
                read_image(path)
            assert caught.value.status == "corrupt"
