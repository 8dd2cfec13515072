"""What the user can mend: the one exception that says how, and a full disk told from other errors."""

import errno
import shutil
from pathlib import Path

_ROOM = 1 << 24  # bytes; what failed may have made some room since


class UserError(Exception):
    """A mistake in the user's input or settings.

    The message is one sentence with the value, its name, the rule and the way out; it is shown without a traceback.
    """


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that the disk or the user's part of it is full."""
    while error is not None:
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT) or "database or disk is full" in str(error):
            return True
        if "disk I/O error" in str(error):  # so SQLite calls it where it has no room to say more
            return shutil.disk_usage(Path.cwd()).free < _ROOM
        error = error.__cause__ or error.__context__
    return False
