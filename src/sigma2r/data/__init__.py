"""Data sets by name, the batches cut from them, and what is done to images on the way."""

from sigma2r.data.augment import augment
from sigma2r.data.augmentation import POLICIES, Augmentation, describe_augmentation
from sigma2r.data.fingerprint import fingerprint
from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData
from sigma2r.data.registry import CSV, DATASETS, FOLDER, check_dataset, default_augmentation, is_listed, load_images
from sigma2r.data.resize import describe_resize

__all__ = [
    "CSV",
    "DATASETS",
    "FOLDER",
    "POLICIES",
    "Augmentation",
    "FolderImages",
    "ImageData",
    "augment",
    "check_dataset",
    "default_augmentation",
    "describe_augmentation",
    "describe_resize",
    "fingerprint",
    "is_listed",
    "load_images",
]
