"""Makes the input of a fault as small, or as near to the intact file, as a few hundred trials allow."""

from collections.abc import Callable

_MOST_TRIALS = 200


def minimised(data: bytes, is_faulty: Callable[[bytes], bool], *, intact: bytes = b"") -> bytes:
    """Returns data that is faulty still.

    Args:
        intact: the file that the data was made of: bytes become as they were there, where both have one length;
            of other data parts are taken out, halves first.
    """
    trials = _Trials(is_faulty)
    if len(data) == len(intact):
        return _restored(data, intact, trials)
    return _shortened(data, trials)


class _Trials:
    """Counts trials, and calls nothing faulty when there were enough."""

    def __init__(self, is_faulty: Callable[[bytes], bool]) -> None:
        self._is_faulty, self._left = is_faulty, _MOST_TRIALS

    def fails(self, data: bytes) -> bool:
        self._left -= 1
        return self._left >= 0 and self._is_faulty(data)


def _restored(data: bytes, intact: bytes, trials: _Trials) -> bytes:
    changed = [at for at, (new, old) in enumerate(zip(data, intact, strict=True)) if new != old]
    size = len(changed)
    while size:
        for start in range(0, len(changed), size):
            tried = bytearray(data)
            for at in changed[start : start + size]:
                tried[at] = intact[at]
            if trials.fails(bytes(tried)):
                data = bytes(tried)
        changed = [at for at in changed if data[at] != intact[at]]
        size = min(size, len(changed)) // 2
    return data


def _shortened(data: bytes, trials: _Trials) -> bytes:
    size = len(data) // 2
    while size:
        start = 0
        while start < len(data):
            tried = data[:start] + data[start + size :]
            if tried and trials.fails(tried):
                data = tried
            else:
                start += size
        size //= 2
    return data
