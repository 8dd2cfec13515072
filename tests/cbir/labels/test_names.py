import string
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbir.images.formats import IMAGE_SUFFIXES
from cbir.labels.names import NameIndex, Problem, compose, plain, unaccented, without_suffix
from tests.support.manifests import image_id_of, manifest

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=20)


@given(NAMES)
def test_normalising_twice_changes_nothing_more(name: str) -> None:
    for form in (compose, plain, unaccented):
        assert form(form(name)) == form(name)


@given(NAMES)
def test_the_two_unicode_forms_of_a_name_are_one(name: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    for form in (compose, plain, unaccented):
        assert form(composed) == form(decomposed)


@given(NAMES)
def test_each_looser_form_keeps_together_what_a_stricter_one_does(name: str) -> None:
    assert plain(compose(name)) == plain(name)
    assert unaccented(plain(name)) == unaccented(name)


@given(
    st.text(string.ascii_letters + "éèçàüÉÈ ()_-.", min_size=1, max_size=20), st.sampled_from(sorted(IMAGE_SUFFIXES))
)
def test_a_file_is_found_by_its_name_in_every_spelling(stem: str, suffix: str) -> None:
    if unaccented(stem) in ("", ".", ".."):
        return
    path = f"a/folder/{stem}{suffix}"
    index = NameIndex(manifest(path, "a/x/another.jpg"))
    bare = unicodedata.normalize("NFD", stem).encode("ascii", "ignore").decode()
    for spelling in (stem, f"{stem}{suffix}", unicodedata.normalize("NFD", stem).upper(), bare, bare.replace(" ", "_")):
        assert index.match(spelling).image_id == image_id_of(path), spelling
        assert index.match(f"folder/{spelling}").image_id == image_id_of(path)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Chérau (2)", "a/Chérau(2).tif"),
        ("CHERAU_(2).JPG", "a/Chérau(2).tif"),
        ("l’été à Verdun", "a/L'ÉTÉ_à_Verdun.png"),
        ("oeuvre", "a/Œuvre.jpg"),
        ("Strasse\u00a01", "a/Straße 1.jpg"),
        ("photo.1914", "a/photo.1914.tif"),
        ("photo.1914.tif", "a/photo.1914.jpg"),
        ("scan.tif", "a/scan.tif.jpg"),
        ("C:\\scans\\box\\p 7.tif", "a/box/p 7.tif"),
        ("./box/p 7", "a/box/p 7.tif"),
        ("\u200eالصورة", "a/الصورة.jpg"),
    ],
)
def test_a_name_is_matched_although_it_is_spelt_otherwise(name: str, path: str) -> None:
    assert NameIndex(manifest(path, "a/other.jpg")).match(name).image_id == image_id_of(path)


def test_the_stricter_match_wins() -> None:
    index = NameIndex(manifest("a/été.jpg", "a/ete.jpg", "a/Été.jpg", "a/x.tif", "a/x.jpg"))
    assert index.match("été").image_id == image_id_of("a/été.jpg")
    assert index.match("Été.jpg").image_id == image_id_of("a/Été.jpg")
    assert index.match("ete.png").image_id == image_id_of("a/ete.jpg")
    assert index.match("x.jpg").image_id == image_id_of("a/x.jpg")
    assert index.match("x.png").problem is Problem.AMBIGUOUS


def test_names_that_differ_on_disk_only_by_unicode_form_are_kept_apart() -> None:
    composed, decomposed = "a/é.jpg", "a/e\u0301.jpg"
    index = NameIndex(manifest(composed, decomposed))
    assert index.match("é.jpg").image_id == image_id_of(composed)
    assert index.match("e\u0301.jpg").image_id == image_id_of(decomposed)


def test_several_images_of_one_name_are_ambiguous_and_named() -> None:
    matched = NameIndex(manifest("a/1.jpg", "b/1.jpg")).match("1")
    assert matched.problem is Problem.AMBIGUOUS
    assert matched.image_id is None
    assert matched.candidates == ("a/1.jpg", "b/1.jpg")


def test_copies_of_one_image_are_not_ambiguous() -> None:
    index = NameIndex(manifest("a/1.jpg", copies={"b/1.jpg": "a/1.jpg", "b/sub/1.tif": "a/1.jpg"}))
    assert index.match("1").image_id == image_id_of("a/1.jpg")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("b/1", "b/1.jpg"),
        ("A/Box 1/1.jpg", "a/box_1/1.jpg"),
        ("box_1/1", "a/box_1/1.jpg"),
        ("old/box_1/1", "a/box_1/1.jpg"),
        ("old/2", "b/2.jpg"),
    ],
)
def test_folders_tell_files_of_one_name_apart(name: str, path: str) -> None:
    index = NameIndex(manifest("a/box_1/1.jpg", "a/box_2/1.jpg", "b/1.jpg", "b/2.jpg"))
    assert index.match(name).image_id == image_id_of(path)


def test_a_file_in_another_folder_than_the_named_one_is_no_match_but_the_first_suggestion() -> None:
    index = NameIndex(manifest("a/box_2/1.jpg", "a/box_3/11.jpg"))
    assert index.match("box_1/1.jpg").problem is Problem.UNMATCHED
    assert index.nearest("box_1/1.jpg")[0] == "a/box_2/1.jpg"


def test_the_whole_path_goes_before_a_part_of_it() -> None:
    index = NameIndex(manifest("a/box/1.jpg", "b/a/box/1.jpg"))
    assert index.match("a/box/1.jpg").image_id == image_id_of("a/box/1.jpg")
    assert index.match("b/a/box/1.jpg").image_id == image_id_of("b/a/box/1.jpg")


def test_digits_are_never_guessed_only_suggested() -> None:
    index = NameIndex(manifest("a/IMG_007.jpg", "a/IMG_107.jpg"))
    assert index.match("IMG_7").problem is Problem.UNMATCHED
    assert index.nearest("IMG_7")[0] == "a/IMG_007.jpg"


def test_a_hyphen_is_a_separator_and_not_nothing() -> None:
    index = NameIndex(manifest("a/pg8-x-537.jpg", "a/pg8-x537.jpg"))
    assert index.match("pg8 x 537").image_id == image_id_of("a/pg8-x-537.jpg")
    assert index.match("pg8_x537").image_id == image_id_of("a/pg8-x537.jpg")


def test_the_nearest_names_come_best_first_and_not_at_all_when_nothing_is_like_it() -> None:
    index = NameIndex(manifest("a/soldats dans la tranchée.jpg", "a/soldats à la plage.jpg", "a/bateau.jpg"))
    assert index.nearest("Soldat dans la tranche")[0] == "a/soldats dans la tranchée.jpg"
    assert index.nearest("xyz") == ()


def test_a_rejected_file_is_named_with_its_reason() -> None:
    matched = NameIndex(manifest(rejected={"a/1.jpg": "cut off"})).match("1")
    assert (matched.problem, matched.reason, matched.candidates) == (Problem.REJECTED, "corrupt: cut off", ("a/1.jpg",))


def test_a_sound_file_goes_before_a_rejected_one_of_that_name() -> None:
    index = NameIndex(manifest("a/1.tif", rejected={"a/1.jpg": "cut off"}))
    assert index.match("1").image_id == image_id_of("a/1.tif")
    assert index.match("1.jpg").problem is Problem.REJECTED


def test_a_name_means_the_first_page_and_may_name_another() -> None:
    index = NameIndex(manifest("a/page.jpg", "a/scan p2.jpg", pages={"a/album.tif": 3}))
    assert index.match("album").image_id == image_id_of("a/album.tif", 0)
    for name in ("album#2", "album.tif#page=2", "album p2", "Album.tif, page 2", "album_p.2"):
        assert index.match(name).image_id == image_id_of("a/album.tif", 1), name
    assert index.match("album p4").problem is Problem.UNMATCHED
    assert index.match("album p0").problem is Problem.UNMATCHED
    assert index.match("scan p2").image_id == image_id_of("a/scan p2.jpg")


@pytest.mark.parametrize("name", ["", " ", "/", "..", "./", "?", ".jpg", "-"])
def test_what_is_no_name_matches_nothing(name: str) -> None:
    index = NameIndex(manifest("a/1.jpg", "a/_.jpg"))
    assert index.match(name).problem is Problem.UNMATCHED
    assert index.nearest(name) == ()


def test_only_extensions_of_images_are_taken_off() -> None:
    assert [without_suffix(name) for name in ("a.TIF", "a.1914", ".jpg", "a.b.jp2", "a")] == [
        "a",
        "a.1914",
        ".jpg",
        "a.b",
        "a",
    ]


def test_an_empty_archive_matches_nothing() -> None:
    assert NameIndex(manifest()).match("a").problem is Problem.UNMATCHED


def test_thousands_of_names_are_matched_in_seconds() -> None:
    paths = [f"a/{number % 100}/Échos du général {number:06}.tif" for number in range(20_000)]
    index = NameIndex(manifest(*paths))
    started = time.perf_counter()
    matched = [index.match(f"ECHOS_DU_GENERAL {number:06}") for number in range(0, 20_000, 10)]
    assert time.perf_counter() - started < 10
    assert [match.image_id for match in matched] == [image_id_of(path) for path in paths[::10]]


@pytest.mark.parametrize("name", ["a" + "_" * 30_000 + "b", "a" + " _" * 15_000 + "p1x", "a" + "\u0301\u0323" * 15_000])
def test_a_text_longer_than_any_name_is_none_and_takes_no_time(name: str) -> None:
    index = NameIndex(manifest("a.jpg"))
    started = time.process_time()
    assert index.match(name).problem is Problem.UNMATCHED
    assert index.nearest(name) is not None
    for form in (compose, plain, unaccented):
        assert len(form(name)) <= 2 * 4096
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    "name",
    [
        '"été 1.jpg"', "« été 1 »", "“été 1.jpg”", "'été 1'", "<été 1.jpg>",
        "été 1.jpg (cropped)", "ete 1.JPG - 400x300 - 98 %", "été 1.jpg : the best", '"box/été 1.jpg" - 50 KiB',
        "été 1.jpg ?",
        "été 1 ??", "été 1*", "• été 1", "· été 1.jpg", "['été 1.jpg'",
        "https://iiif.example.org/iiif/3/%C3%A9t%C3%A9%201.jpg/full/max/0/default.jpg",
        "http://iiif.example.org/%C3%A9t%C3%A9%201/0,0,10,10/!200,200/90/gray.png",
        "https://iiif.example.org/a%2Fbox%2F%C3%A9t%C3%A9%201.jpg/info.json",
    ],
)  # fmt: skip
def test_what_people_write_around_a_name_is_taken_off(name: str) -> None:
    index = NameIndex(manifest("a/box/été 1.jpg", "a/été 10.jpg"))
    assert index.match(name).image_id == image_id_of("a/box/été 1.jpg")


@pytest.mark.parametrize(
    "name", ["b.jpg (see a.jpg)", "a (2)", "a copy", "a.jpg.old", "a.jpg page 2", "a.tif (p. 3)", "a#2"]
)
def test_what_may_mean_another_file_or_page_is_not_taken_off(name: str) -> None:
    assert NameIndex(manifest("x/a.jpg", "x/c.tif")).match(name).problem is Problem.UNMATCHED


def test_a_file_that_is_called_so_goes_before_what_is_taken_off() -> None:
    index = NameIndex(manifest("x/a.jpg", "x/a.jpg (cropped).jpg", "x/'a'.jpg"))
    assert index.match("a.jpg (cropped)").image_id == image_id_of("x/a.jpg (cropped).jpg")
    assert index.match("'a'.jpg").image_id == image_id_of("x/'a'.jpg")
