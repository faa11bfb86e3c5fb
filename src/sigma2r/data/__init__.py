"""Data sets by name, the batches cut from them, and what is done to images on the way."""

from sigma2r.data.augment import Augmentation, augment, describe_augmentation
from sigma2r.data.fingerprint import fingerprint
from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData
from sigma2r.data.registry import DATASETS, FOLDER, check_dataset, default_augmentation, load_images

__all__ = [
    "DATASETS",
    "FOLDER",
    "Augmentation",
    "FolderImages",
    "ImageData",
    "augment",
    "check_dataset",
    "default_augmentation",
    "describe_augmentation",
    "fingerprint",
    "load_images",
]
