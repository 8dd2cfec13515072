"""Takes the screen out of a print: dots or lines at one pitch, which local features would take for the picture.

A screen is a sharp peak in the spectrum. A picture's own patterns (a fence, a row of windows) make lower ones.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft2

_COARSEST = 24.0  # px from dot to dot; a larger pattern belongs to the picture
_PEAK = 200.0  # times the energy of its surroundings: one natural picture of a hundred has such a peak
_SHARE = 0.05  # of the energy of all fine structure
_BLUR = 0.5  # of the pitch, deviation of the blur that leaves a hundredth of the dots
_RINGS = 200  # for each cycle a px


def descreened(pixels: NDArray[np.uint8], pitch: float) -> NDArray[np.uint8]:
    """Returns the picture without its screen; itself where it has none.

    Args:
        pixels: (H, W) or (H, W, 3).
        pitch: of the screen, as :func:`screen_pitch` gives it.
    """
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), _BLUR * pitch), np.uint8) if pitch else pixels


def screen_pitch(grey: NDArray[np.uint8]) -> float:
    """Returns px from dot to dot, or from line to line, of the screen of a picture (H, W); 0 where it has none."""
    height, width = grey.shape
    if min(height, width) < 2 * _COARSEST:
        return 0.0
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _COARSEST / 3)
    spectrum = rfft2(fine * window)
    power = spectrum.real**2 + spectrum.imag**2
    # A peak lies between the cells of the spectrum.
    energy = 9 * cv2.blur(power, (3, 3), borderType=cv2.BORDER_REPLICATE)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    inside = (frequency >= 1 / _COARSEST) & (frequency <= 0.5)
    rings = (frequency[inside] * _RINGS).astype(np.int64)
    energy, frequency, total = energy[inside], frequency[inside], power[inside].sum()
    usual = np.exp(np.bincount(rings, np.log(energy + 1e-3)) / np.maximum(np.bincount(rings), 1))
    at = int(np.argmax(energy * frequency))  # the finer of two peaks: the other may be the picture's
    if energy[at] < _PEAK * usual[rings[at]] or energy[at] < _SHARE * total:
        return 0.0
    return float(1 / frequency[at])
