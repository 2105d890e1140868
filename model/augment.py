"""Random but repeatable changes to a training film, between the grid and the standardization.

Three kinds: where the film is (flip, rotation, zoom, width against height, shift), how it was exposed and exported
(brightness, contrast, gamma, black level, sharpness, noise, JPEG), and what surrounds the chest (borders, corner
markers, covered patches). The last two kinds and the proportions exist because the classes of public chest sets differ
in them, and a network would rather learn the frame than the lungs. (Of the 16 official validation films of Kermany's
set the normal ones are 1.1 to 1.4 times as wide as high, those of pneumonia 1.25 to 1.7 times; all become squares.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Film = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far a training film may be changed. Every range is symmetric unless it says otherwise.

    Attributes
    ----------
    horizontal_flip, vertical_flip : float
        Probability of a mirror image, 0..1.
    rotation : float
        Largest turn, in degrees.
    zoom : tuple of float
        Smallest and largest scale factor; above 1 the film is cropped, below 1 it shrinks inside its frame.
    aspect : float
        Largest change of width against height, as a natural logarithm of their ratio.
    shift : float
        Largest displacement, as a share of the side.
    brightness : float
        Largest offset added to the gray values (0..1).
    contrast : float
        Largest relative change of gain around middle gray.
    gamma : float
        Largest factor or divisor of the exponent, at least 1.
    black_level : float
        Largest amount by which black is lifted, 0..1.
    shading : float
        Largest strength of a smooth brightness ramp across the film, 0..1.
    blur : float
        Largest standard deviation of a Gaussian blur, in pixels of the 224 grid.
    sharpen : float
        Largest weight of an unsharp mask.
    noise : float
        Largest standard deviation of added Gaussian noise, 0..1.
    jpeg : float
        Probability of re-encoding at a quality between 25 and 95.
    border : float
        Probability of a plain frame, on some or all of the four sides.
    border_depth : float
        Deepest frame, as a share of the side.
    corner : float
        Probability of covered corners, like those a collimator leaves or the air beside a neck.
    marker : float
        Probability of a painted letter near the edge.
    patch : float
        Probability of one covered rectangle near the edge (hides real markers) or anywhere.
    ease : float
        Probability that a film is changed only half as far: half of every range and probability but the flips'.
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    rotation: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    aspect: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 1.0
    black_level: float = 0.0
    shading: float = 0.0
    blur: float = 0.0
    sharpen: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    border: float = 0.0
    border_depth: float = 0.10
    corner: float = 0.0
    marker: float = 0.0
    patch: float = 0.0
    ease: float = 0.0


NONE = Augmentation()
PAPER = Augmentation(horizontal_flip=0.5, rotation=10.0, brightness=0.15)
ROBUST = Augmentation(
    horizontal_flip=0.5,
    rotation=12.0,
    zoom=(0.80, 1.35),
    aspect=0.35,
    shift=0.08,
    brightness=0.10,
    contrast=0.25,
    gamma=1.7,
    black_level=0.12,
    shading=0.15,
    blur=1.6,
    sharpen=1.5,
    noise=0.02,
    jpeg=0.4,
    border=0.25,
    border_depth=0.16,
    corner=0.35,
    marker=0.4,
    patch=0.4,
)
GENTLE = Augmentation(
    horizontal_flip=0.5,
    rotation=8.0,
    zoom=(0.92, 1.15),
    aspect=0.16,
    shift=0.04,
    brightness=0.08,
    contrast=0.15,
    gamma=1.4,
    black_level=0.10,
    shading=0.08,
    blur=1.2,
    sharpen=0.8,
    noise=0.01,
    jpeg=0.3,
    border=0.2,
    corner=0.15,
    marker=0.3,
    patch=0.2,
)
# Tone varies as in GENTLE, where the chest lies and what surrounds it nearly as in ROBUST.
FRAMING = replace(
    GENTLE,
    zoom=(0.82, 1.30),
    aspect=0.30,
    shift=0.07,
    blur=1.6,
    border=0.3,
    border_depth=0.16,
    corner=0.35,
    patch=0.3,
)
# Films as they usually come and films as they seldom come, in one course: neither is forgotten for the other.
MIXED = replace(FRAMING, ease=0.5)
PRESETS: dict[str, Augmentation] = {
    "none": NONE,
    "paper": PAPER,
    "gentle": GENTLE,
    "framing": FRAMING,
    "mixed": MIXED,
    "robust": ROBUST,
}


def augment(film: Film, how: Augmentation, rng: np.random.Generator) -> Film:
    """Return a randomly changed copy of a film.

    Parameters
    ----------
    film : ndarray of float32, shape (size, size)
        Gray in 0..1, on the network's grid, not yet standardized.
    how : Augmentation
        The ranges to draw from; with all at their defaults the film comes back unchanged.
    rng : numpy.random.Generator
        The only source of chance: the same state gives the same film.

    Returns
    -------
    ndarray of float32, shape (size, size)
        Gray in 0..1.
    """
    if how.ease and rng.random() < how.ease:
        how = _halved(how)
    film = _placed(film, how, rng)
    film = _surrounded(film, how, rng)
    film = _exposed(film, how, rng)
    film = _exported(film, how, rng)
    return np.ascontiguousarray(np.clip(film, 0.0, 1.0), dtype=np.float32)


def _halved(how: Augmentation) -> Augmentation:
    scaled = """rotation aspect shift brightness contrast black_level shading blur sharpen noise jpeg border
        border_depth corner marker patch""".split()
    halves: dict[str, Any] = {name: getattr(how, name) / 2 for name in scaled}
    zoom = tuple(np.sqrt(factor) for factor in how.zoom)
    return replace(how, **halves | {"zoom": zoom, "gamma": np.sqrt(how.gamma), "ease": 0.0})


def _placed(film: Film, how: Augmentation, rng: np.random.Generator) -> Film:
    if rng.random() < how.horizontal_flip:
        film = film[:, ::-1]
    if rng.random() < how.vertical_flip:
        film = film[::-1]
    turn = rng.uniform(-how.rotation, how.rotation)
    scale = float(np.exp(rng.uniform(np.log(how.zoom[0]), np.log(how.zoom[1]))))
    stretch = float(np.exp(rng.uniform(-how.aspect, how.aspect) / 2))
    shift = rng.uniform(-how.shift, how.shift, 2)
    fill = rng.random()
    if turn == 0 and scale == 1 and stretch == 1 and not shift.any():
        return film
    side = film.shape[0]
    centre = (side - 1) / 2
    angle = np.deg2rad(turn)
    linear = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ np.diag(
        [scale * stretch, scale / stretch]
    )
    offset = centre + shift * side - linear @ np.array([centre, centre])
    matrix = np.column_stack([linear, offset])
    mode = cv2.BORDER_REFLECT_101 if fill < 0.3 else cv2.BORDER_REPLICATE if fill < 0.4 else cv2.BORDER_CONSTANT
    return np.asarray(
        cv2.warpAffine(
            np.ascontiguousarray(film),
            matrix,
            (side, side),
            flags=cv2.INTER_LINEAR,
            borderMode=mode,
            borderValue=1.0 if fill > 0.92 else 0.0,
        ),
        dtype=np.float32,
    )


def _surrounded(film: Film, how: Augmentation, rng: np.random.Generator) -> Film:
    film = film.copy()
    if rng.random() < how.patch:
        _cover_patch(film, rng)
    if rng.random() < how.marker:
        _paint_marker(film, rng)
    if rng.random() < how.border:
        _frame(film, how.border_depth, rng)
    if rng.random() < how.corner:
        _cover_corners(film, rng)
    return film


def _cover_patch(film: Film, rng: np.random.Generator) -> None:
    side = film.shape[0]
    height, width = (rng.uniform(0.06, 0.28, 2) * side).astype(int)
    top, left = int(rng.integers(0, side - height)), int(rng.integers(0, side - width))
    if rng.random() < 0.75:
        if rng.random() < 0.5:
            left = int(rng.choice([0, side - width]))
        else:
            top = int(rng.choice([0, side - height]))
    region = film[top : top + height, left : left + width]
    region[...] = rng.choice([0.0, float(region.mean()), float(film.mean()), rng.random()])


def _paint_marker(film: Film, rng: np.random.Generator) -> None:
    side = film.shape[0]
    text = "".join(rng.choice(list("RLRLAPDXS"), size=int(rng.choice([1, 1, 1, 2, 3]))))
    along, depth = rng.uniform(0.03, 0.97), rng.uniform(0.03, 0.16)
    x, y = [(depth, along), (1 - depth, along), (along, depth), (along, 1 - depth)][int(rng.integers(4))]
    ink = np.zeros(film.shape, dtype=np.uint8)
    cv2.putText(
        ink,
        text,
        (int(x * side) - 6, int(y * side) + 6),
        int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_DUPLEX])),
        float(rng.uniform(0.3, 0.9)),
        255,
        int(rng.integers(1, 3)),
        cv2.LINE_AA,
    )
    cover = ink.astype(np.float32) / np.float32(255)
    film += cover * (np.float32(rng.uniform(0.7, 1.0)) - film)


def _frame(film: Film, depth: float, rng: np.random.Generator) -> None:
    side = film.shape[0]
    value = float(rng.choice([0.0, 0.0, 1.0, rng.random()]))
    widths = (rng.uniform(0.0, depth, 4) * side * (rng.random(4) < 0.6)).astype(int)
    top, bottom, left, right = (int(w) for w in widths)
    film[:top] = value
    film[side - bottom :] = value
    film[:, :left] = value
    film[:, side - right :] = value


def _cover_corners(film: Film, rng: np.random.Generator) -> None:
    end = film.shape[0] - 1
    value = float(rng.choice([0.0, 0.0, float(film.mean()), rng.random()]))
    for x, y, across, down in ((0, 0, 1, 1), (end, 0, -1, 1), (0, end, 1, -1), (end, end, -1, -1)):
        wide, high = (rng.uniform(0.06, 0.34, 2) * end).astype(int)
        if rng.random() < 0.6:
            triangle = np.array([[x, y], [x + across * wide, y], [x, y + down * high]], dtype=np.int32)
            cv2.fillConvexPoly(film, triangle, value, cv2.LINE_8)


def _exposed(film: Film, how: Augmentation, rng: np.random.Generator) -> Film:
    power = float(np.exp(rng.uniform(-1, 1) * np.log(how.gamma)))
    gain = 1.0 + rng.uniform(-how.contrast, how.contrast)
    offset = rng.uniform(-how.brightness, how.brightness)
    lift = rng.uniform(0.0, how.black_level)
    ramp_strength, ramp_angle = rng.uniform(0.0, how.shading), rng.uniform(0.0, 2 * np.pi)
    if power != 1:
        film = np.power(film, np.float32(power))
    if ramp_strength:
        axis = np.linspace(-1, 1, film.shape[0], dtype=np.float32)
        ramp = np.cos(ramp_angle) * axis[None, :] + np.sin(ramp_angle) * axis[:, None]
        film = film * (1 + np.float32(ramp_strength) * ramp)
    film = (film - np.float32(0.5)) * np.float32(gain) + np.float32(0.5 + offset)
    return np.asarray(lift + (1 - lift) * np.clip(film, 0, 1), dtype=np.float32)


def _exported(film: Film, how: Augmentation, rng: np.random.Generator) -> Film:
    choice, strength = rng.random(), rng.random()
    sigma, noise = rng.uniform(0.0, how.noise), rng.standard_normal(film.shape, dtype=np.float32)
    coded, quality = rng.random() < how.jpeg, int(rng.integers(25, 96))
    if how.blur and choice < 0.4:
        film = _blurred(film, how.blur * strength)
    elif how.sharpen and choice < 0.65:
        film = film + np.float32(how.sharpen * strength) * (film - _blurred(film, 1.5))
    if sigma:
        film = film + np.float32(sigma) * noise
    return _recoded(film, quality) if coded else film


def _blurred(film: Film, sigma: float) -> Film:
    if sigma < 0.1:
        return film
    return np.asarray(cv2.GaussianBlur(film, (0, 0), sigma), dtype=np.float32)


def _recoded(film: Film, quality: int) -> Film:
    grays = np.rint(np.clip(film, 0, 1) * 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", grays, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.float32) / np.float32(255)
