"""Makes a certificate of an audit: who judged what and when, of which archive and model, and whether it still holds."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from cbir.audit.judging import Item, Sheet
from cbir.audit.record import Audit, digest_of, read_audit
from cbir.base.errors import UserError
from cbir.encoders.files import encoder_digest


@dataclass(frozen=True)
class Stand:
    """The state of an archive that a certificate speaks of.

    Attributes:
        groups: the published groups: group_id, image_id.
        manifest: file of the archive's manifest.
        encoder: folder of the encoder.
    """

    groups: pd.DataFrame
    manifest: Path
    encoder: Path

    def archive_digest(self) -> str:
        """Returns the SHA-256 of the manifest, 64 hex characters; empty where there is none."""
        return hashlib.sha256(self.manifest.read_bytes()).hexdigest() if self.manifest.exists() else ""

    def model_digest(self) -> str:
        """Returns the digest of the encoder, 64 hex characters; empty where there is none."""
        try:
            return encoder_digest(self.encoder)
        except FileNotFoundError:
            return ""


@dataclass(frozen=True)
class Certificate:
    """An audit that was kept.

    Attributes:
        name: by which its files are known.
        sample: the pairs with their verdicts; empty where the sheet was not kept.
        holds: whether the groups are still those that were judged.
        changed: what else has changed since: archive, model.
    """

    name: str
    audit: Audit
    sample: Sequence[Item]
    holds: bool
    changed: Sequence[str]


def witnessed(audit: Audit, items: Sequence[Item], stand: Stand, *, person: str) -> Audit:
    """Returns an audit with who judged, from when to when, and the digests of archive and model.

    Args:
        person: who judged where the sheet does not say.
    """
    times = sorted(item.time for item in items if item.time)
    people = sorted({item.person for item in items if item.person}) or [person]
    return replace(
        audit,
        people=tuple(people),
        began=times[0] if times else "",
        ended=times[-1] if times else "",
        archive=stand.archive_digest(),
        model=stand.model_digest(),
    )


def names_of(folder: Path) -> list[str]:
    """Returns the names of the audits that are kept, the last one first."""
    return sorted((path.stem for path in folder.glob("*.json")), reverse=True)


def read_certificate(folder: Path, name: str, stand: Stand) -> Certificate:
    """Reads an audit that was kept, and says whether it holds.

    Raises:
        UserError: there is none of this name.
    """
    if name not in names_of(folder):
        raise UserError(f"{name}: no audit of this name is kept")
    audit = read_audit(folder / f"{name}.json")
    sheet = folder / f"{name}.csv"
    digests = {"archive": (audit.archive, stand.archive_digest), "model": (audit.model, stand.model_digest)}
    return Certificate(
        name=name,
        audit=audit,
        sample=Sheet(sheet).items if sheet.exists() else (),
        holds=audit.groups == digest_of(stand.groups),
        changed=[what for what, (then, now) in digests.items() if then and then != now()],
    )
