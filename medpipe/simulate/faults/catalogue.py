"""Every fault that medpipe knows to write."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from medpipe.simulate.faults import dicom_files, mixtures, multiframe, nifti_files, series, tree
from medpipe.simulate.faults.registry import FAULTS, Fault

_WRITERS: Final = (series, multiframe, mixtures, dicom_files, nifti_files, tree)
"""Importing them fills the registry."""

ALL_FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(FAULTS)
