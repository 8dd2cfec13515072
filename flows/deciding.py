"""Keeps the decision of `cbir decide`, and says which others it contradicts."""

import getpass
from collections.abc import Mapping

from cbir.archive.manifest import read_manifest
from cbir.base.display import visible
from cbir.base.errors import UserError
from cbir.groups.decisions.journal import Decision, Relation, append_decision, now, read_decisions
from cbir.groups.decisions.links import link
from cbir.groups.decisions.words import contradiction_in_words
from flows.explaining import image_of, names_of
from tasks.harness.settings import Paths

_RELATIONS: Mapping[str, Relation] = {
    "same": "same photograph",
    "scene": "same scene",
    "different": "different",
    "unsure": "unsure",
}


def decide_pair(first: str, second: str, saying: str, paths: Paths, *, note: str, person: str) -> None:
    """Adds a person's decision on two files of the archive, named as `cbir why` takes them, to the file of decisions.

    Args:
        saying: same, scene, different or unsure.
        person: empty for the user's name on this machine.

    Raises:
        UserError: a file is not in the archive, or both are the same image.
    """
    manifest = read_manifest(paths.manifest)
    images = image_of(first, manifest, paths.raw), image_of(second, manifest, paths.raw)
    if images[0] == images[1]:
        raise UserError(f"{first} and {second} hold the same bytes: they are one image, and there is nothing to decide")
    names = names_of(manifest)
    decision = Decision(
        time=now(),
        person=person or getpass.getuser(),
        first_file=names[images[0]],
        second_file=names[images[1]],
        relation=_RELATIONS[saying],
        note=note,
        first=images[0],
        second=images[1],
    )
    read_decisions(paths.decisions)  # a file with a bad row takes none more
    append_decision(paths.decisions, decision)
    for contradiction in link(read_decisions(paths.decisions)).contradictions:
        if decision.pair in {each.pair for each in (contradiction.left_out, *contradiction.against)}:
            print(f"this contradicts what was decided: {visible(contradiction_in_words(contradiction))}")
    print(f"kept in {paths.decisions}; next: `cbir run` obeys it")
