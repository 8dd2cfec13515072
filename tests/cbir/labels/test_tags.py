"""cbir.labels.appearances.tags: what is written inside files, and never the time of the scan."""

from pathlib import Path

import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from cbir.labels.appearances.metadata import find_metadata
from cbir.labels.appearances.tags import find_tags, read_tags
from cbir.labels.names import NameIndex
from tests.support.manifests import image_id_of, manifest
from tests.support.scenes import SCENE

XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="Paris"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:prism="http://prismstandard.org/namespaces/basic/2.1/">
<photoshop:DateCreated>1916-05-04T00:00:00</photoshop:DateCreated>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Title of the picture</rdf:li></rdf:Alt></dc:title>
<dc:identifier><rdf:Bag><rdf:li>ark:/12148/a1</rdf:li></rdf:Bag></dc:identifier>
<prism:publicationName>Le  Miroir</prism:publicationName>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
ALL = {"date": "1916-05-04T00:00:00", "place": "Paris", "shelfmark": "ark:/12148/a1", "title": "Le Miroir"}


def iptc(**fields: bytes) -> bytes:
    number = {"title": 115, "date": 55, "place": 90}
    records = b"".join(
        b"\x1c\x02" + bytes([number[name]]) + len(text).to_bytes(2, "big") + text for name, text in fields.items()
    )
    return b"\x1c\x01\x5a\x00\x03\x1b%G" + records


def save(path: Path, *, iptc: bytes = b"", **options: object) -> Path:
    if iptc:
        options["tiffinfo"] = TiffImagePlugin.ImageFileDirectory_v2()
        options["tiffinfo"][33723] = iptc
        options["tiffinfo"].tagtype[33723] = 7
    Image.fromarray(SCENE).save(path, **options)
    return path


def exif(original: str, scanned: str) -> Image.Exif:
    made = Image.Exif()
    made.get_ifd(ExifTags.IFD.Exif).update(
        {ExifTags.Base.DateTimeOriginal: original, ExifTags.Base.DateTimeDigitized: scanned}
    )
    return made


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.webp"])
def test_xmp_gives_the_newspaper_and_not_the_title_of_the_picture(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, xmp=XMP) if name != "a.tif" else save(tmp_path / name, tiffinfo={700: XMP + bytes(9)})
    assert read_tags(path) == ALL


@pytest.mark.parametrize(
    ("written", "date"), [(b"19160504", "1916-05-04"), (b"19160500", "1916-05"), (b"19160000", "1916")]
)
def test_iptc_gives_dates_as_exactly_as_they_are_known(tmp_path: Path, written: bytes, date: str) -> None:
    path = save(tmp_path / "a.tif", iptc=iptc(title="L’Écho".encode(), date=written))
    assert read_tags(path) == {"date": date, "title": "L’Écho"}


@pytest.mark.parametrize(
    ("original", "scanned", "date"),
    [
        ("1916:05:04 00:00:00", "2019:01:01 10:00:00", {"date": "1916-05-04"}),
        ("2019:01:01 10:00:00", "2019:01:01 10:00:00", {}),
        ("2019:01:01 10:00:00", "", {}),
    ],
)
def test_the_time_of_the_scan_is_no_date(tmp_path: Path, original: str, scanned: str, date: dict[str, str]) -> None:
    assert read_tags(save(tmp_path / "a.jpg", exif=exif(original, scanned))) == date


@pytest.mark.parametrize("packet", [b"<x", b"", XMP[:300], XMP.replace(b"</rdf:RDF>", b""), bytes(500)])
def test_damaged_tags_are_none(tmp_path: Path, packet: bytes) -> None:
    assert read_tags(save(tmp_path / "a.jpg", xmp=packet)) == {}


def test_a_file_that_is_no_picture_or_gone_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")
    assert read_tags(tmp_path / "a.jpg") == read_tags(tmp_path / "b.jpg") == {}


def test_a_table_counts_before_tags_and_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw/one").mkdir(parents=True)
    for name in ("a", "b"):
        save(tmp_path / f"raw/one/{name}.jpg", xmp=XMP)
    files = manifest("one/a.jpg", "one/b.jpg")
    tags = find_tags(files, tmp_path / "raw", tmp_path)
    first, second = image_id_of("one/a.jpg"), image_id_of("one/b.jpg")
    assert tags == {first: ALL, second: ALL}
    (tmp_path / "raw/one/a.jpg").unlink()
    monkeypatch.setattr("cbir.labels.appearances.tags.run_isolated", None)
    assert find_tags(files, tmp_path / "raw", tmp_path) == tags
    (tmp_path / "m.csv").write_text("name,title,date\na.jpg,Excelsior,no date\n")
    table = find_metadata([tmp_path / "m.csv"], files, NameIndex(files), tags=tags).table.set_index("image_id")
    assert table.loc[first, ["title", "written", "place"]].tolist() == ["Excelsior", "no date", "Paris"]
    assert table["date"].isna()[[first, second]].tolist() == [True, False]
    assert table.loc[second, ["title", "date"]].tolist() == ["Le Miroir", "1916-05-04"]
