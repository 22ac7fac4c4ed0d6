"""The augmentations that recipes can name."""

from __future__ import annotations

from types import MappingProxyType

from slideconcord.training.augment.appearance import (
    Appearance,
    Blur,
    BrightnessContrast,
    HueSaturationValue,
    Noise,
)
from slideconcord.training.augment.bending import (
    Affine,
    Elastic,
    GridDistortion,
    OpticalDistortion,
)
from slideconcord.training.augment.contrast import Clahe, PcaColour
from slideconcord.training.augment.fda import FourierDomainAdaptation
from slideconcord.training.augment.filters import Emboss, GlassBlur, MotionBlur
from slideconcord.training.augment.geometry import (
    Crop,
    Flip,
    FlipUpsideDown,
    Geometry,
    QuarterTurn,
)
from slideconcord.training.augment.jitter import (
    ColorJitter,
    Gamma,
    HeavyColour,
    HedJitter,
    TargetedHsv,
)
from slideconcord.training.augment.one_of import OneOf
from slideconcord.training.augment.randstainna import RandStainNA
from slideconcord.training.augment.spcn import Spcn
from slideconcord.training.augment.style import StyleTransfer

GEOMETRIES: MappingProxyType[str, type[Geometry]] = MappingProxyType(
    {
        "flip": Flip,
        "flip_upside_down": FlipUpsideDown,
        "quarter_turn": QuarterTurn,
        "crop": Crop,
        "affine": Affine,
        "elastic": Elastic,
        "grid_distortion": GridDistortion,
        "optical_distortion": OpticalDistortion,
    }
)
APPEARANCES: MappingProxyType[str, type[Appearance]] = MappingProxyType(
    {
        "noise": Noise,
        "blur": Blur,
        "motion_blur": MotionBlur,
        "glass_blur": GlassBlur,
        "emboss": Emboss,
        "brightness_contrast": BrightnessContrast,
        "hsv": HueSaturationValue,
        "color_jitter": ColorJitter,
        "heavy_colour": HeavyColour,
        "targeted_hsv": TargetedHsv,
        "gamma": Gamma,
        "clahe": Clahe,
        "pca": PcaColour,
        "hed_jitter": HedJitter,
        "randstainna": RandStainNA,
        "fda": FourierDomainAdaptation,
        "style_transfer": StyleTransfer,
        "spcn": Spcn,
        "one_of": OneOf,
    }
)
"""A style twin can be made by any of these."""
