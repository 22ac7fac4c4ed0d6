"""The straightforward versions that bench_appearance measures against: one tile (y, x, 3) uint8."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from skimage import color
from torchvision.transforms.v2 import functional as vision

Rgb = NDArray[np.uint8]
Reals = NDArray[np.float64]
_ROUNDS = 80
_MOST = 4096


class Twins:
    """What needs a reference, or colours to take.

    Parameters
    ----------
    reference
        The style, or what is normalised to.
    beta, mean, sd, matrix
        Of FDA, RandStainNA (OpenCV's L*a*b*) and SPCN.
    """

    def __init__(
        self, reference: Rgb, beta: float, mean: Sequence[float], sd: Sequence[float],
        matrix: Reals,
    ) -> None:  # fmt: skip
        self._reference, self._beta = reference, beta
        self._mean, self._sd = np.array(mean), np.array(sd)
        self._matrix = unit(matrix)
        self._lab = cv2.cvtColor(reference, cv2.COLOR_RGB2LAB)
        self._stains = {name: self._measured(reference, name) for name in ("macenko", "vahadane")}

    def randstainna(self, rgb: Rgb) -> Rgb:
        return moved(rgb, self._mean, self._sd)

    def reinhard(self, rgb: Rgb) -> Rgb:
        return moved(rgb, self._lab.mean((0, 1)), self._lab.std((0, 1)))

    def fda(self, rgb: Rgb) -> Reals:
        content, style = (np.fft.fft2(a.transpose(2, 0, 1).astype(float), axes=(-2, -1)) for a in
                          (rgb, self._reference))  # fmt: skip
        amplitude, phase = np.abs(content), np.angle(content)
        amplitude = np.fft.fftshift(amplitude, axes=(-2, -1))
        theirs = np.fft.fftshift(np.abs(style), axes=(-2, -1))
        height, width = rgb.shape[:2]
        b, y, x = int(min(height, width) * self._beta), height // 2, width // 2
        square = np.s_[:, y - b : y + b + 1, x - b : x + b + 1]
        amplitude[square] = theirs[square]
        mixed = np.fft.ifftshift(amplitude, axes=(-2, -1)) * np.exp(1j * phase)
        seen = np.fft.ifft2(mixed, axes=(-2, -1)).real
        return np.clip(seen, 0, 255).transpose(1, 2, 0)

    def spcn(self, rgb: Rgb) -> Reals:
        own = vahadane(rgb)
        od = density(rgb)
        od = od + amounts(od, own, 0.01) @ (self._matrix - own)
        return np.clip(255 * np.exp(-od), 0, 255).reshape(rgb.shape)

    def macenko(self, rgb: Rgb) -> Reals:
        return self._normalised(rgb, "macenko")

    def vahadane(self, rgb: Rgb) -> Reals:
        return self._normalised(rgb, "vahadane")

    def jitter(self, drawn: tuple[list[float], list[int]]) -> Callable[[Rgb], Reals]:
        factors, order = drawn
        acts = (vision.adjust_brightness, vision.adjust_contrast, vision.adjust_saturation,
                vision.adjust_hue)  # fmt: skip

        def act(rgb: Rgb) -> Reals:
            image = torch.from_numpy(rgb).permute(2, 0, 1)
            for change in order:
                image = acts[change](image, factors[change])
            return image.permute(1, 2, 0).numpy().astype(float)

        return act

    def hed(self, drawn: tuple[Reals, Reals]) -> Callable[[Rgb], Reals]:
        factor, shift = drawn

        def act(rgb: Rgb) -> Reals:
            light = np.maximum(rgb.astype(float) / 255, 1e-6)
            stains = -np.log(light) @ color.hed_from_rgb
            return np.clip(255 * np.exp(-(stains * factor + shift) @ color.rgb_from_hed), 0, 255)

        return act

    def elastic(self, nodes: Reals) -> Callable[[Rgb], Reals]:
        def act(rgb: Rgb) -> Reals:
            height, width = rgb.shape[:2]
            small = torch.from_numpy(nodes)[None].float()
            x, y = torch.nn.functional.interpolate(
                small, (height, width), mode="bicubic", align_corners=True
            )[0].numpy()
            rows, columns = np.mgrid[:height, :width]
            places = [rows + y, columns + x]
            return np.stack(
                [map_coordinates(rgb[..., c].astype(np.float32), places, order=1, mode="nearest")
                 for c in range(3)], -1,
            )  # fmt: skip

        return act

    def _normalised(self, rgb: Rgb, method: str) -> Reals:
        theirs, dense = self._stains[method]
        own, own_dense = self._measured(rgb, method)
        scaled = solved(density(rgb), own, method) * dense / own_dense
        return np.clip(255 * np.exp(-scaled @ theirs), 0, 255).reshape(rgb.shape)

    def _measured(self, rgb: Rgb, method: str) -> tuple[Reals, Reals]:
        matrix = macenko(rgb) if method == "macenko" else vahadane(rgb)
        tissue = color.rgb2lab(rgb)[..., 0].ravel() < 80
        dense = np.percentile(solved(density(rgb), matrix, method)[tissue], 99, axis=0)
        return matrix, dense


def moved(rgb: Rgb, mean: Reals, sd: Reals) -> Rgb:
    """Move mean and spread in 8-bit L*a*b*, as RandStainNA's code does."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    own_mean, own_sd = lab.mean((0, 1)), np.clip(lab.std((0, 1)), 1e-4, 255)
    changed = np.clip((lab - own_mean) * (sd / own_sd) + mean, 0, 255).astype(np.uint8)
    return cv2.cvtColor(changed, cv2.COLOR_LAB2RGB)


def density(rgb: Rgb) -> Reals:
    return -np.log(np.maximum(rgb.reshape(-1, 3), 1) / 255)


def solved(od: Reals, matrix: Reals, method: str) -> Reals:
    if method == "macenko":
        return np.linalg.lstsq(matrix.T, od.T, rcond=None)[0].T
    return amounts(od, matrix, 0.01)


def amounts(od: Reals, matrix: Reals, sparsity: float) -> Reals:
    """Return the sparse amounts of two stains, none below 0."""
    first, second = (od @ matrix.T - sparsity).T
    alike = float(matrix[0] @ matrix[1])
    both = np.stack([first - alike * second, second - alike * first], 1) / (1 - alike**2)
    found = np.where(both[:, :1] < 0, np.stack([0 * first, second], 1), both)
    found = np.where(
        (both[:, :1] >= 0) & (both[:, 1:] < 0), np.stack([first, 0 * second], 1), found
    )
    return np.maximum(found, 0)


def vahadane(rgb: Rgb) -> Reals:
    """Factorise by plain alternation."""
    pixels = rgb.reshape(-1, 3)
    pixels = pixels[np.linspace(0, len(pixels) - 1, min(len(pixels), _MOST)).round().astype(int)]
    pixels = pixels[color.rgb2lab(pixels[None])[0, :, 0] < 80]
    od = density(pixels)
    matrix = unit(color.rgb_from_hed[:2].copy())
    for _ in range(_ROUNDS):
        found = amounts(od, matrix, 0.1)
        both, with_od = found.T @ found, found.T @ od
        for k in (0, 1):
            row = np.maximum(with_od[k] - both[k, 1 - k] * matrix[1 - k], 0)
            matrix[k] = row / np.linalg.norm(row)
    return matrix[np.argsort(-matrix[:, 0])]


def macenko(rgb: Rgb) -> Reals:
    od = density(rgb)
    stained = od[np.linalg.norm(od, axis=1) > 0.15 * np.log(10)]
    plane = np.linalg.eigh(np.cov(stained.T))[1][:, :0:-1]
    plane = plane * np.where(plane.sum(0) < 0, -1.0, 1.0)
    on_plane = stained @ plane
    ends = np.percentile(np.arctan2(on_plane[:, 1], on_plane[:, 0]), (1, 99))
    matrix = unit(np.abs([plane @ (np.cos(end), np.sin(end)) for end in ends]))
    return matrix[np.argsort(-matrix[:, 0])]


def unit(matrix: Reals) -> Reals:
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
