"""Stable codes of refusals, failures and flags, with what each one means."""

from enum import StrEnum


class Code(StrEnum):
    """A stable code that a script may test for.

    ``E_`` codes end the work on a study; ``W_`` codes flag a result that is kept.
    """

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "Code":
        """Attach the meaning to the string value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    # Files and bytes
    E_EMPTY = "E_EMPTY", "a file holds no bytes"
    E_HEADER = "E_HEADER", "a header cannot be parsed or lacks what reading needs"
    E_TRUNCATED = "E_TRUNCATED", "a file holds fewer bytes than its header promises"
    E_CHECKSUM = "E_CHECKSUM", "a compressed stream is damaged: its checksum or length is wrong"
    E_BUDGET = "E_BUDGET", "the declared size is over the voxel budget"
    E_RATIO = "E_RATIO", "a compressed stream expands beyond the allowed ratio"
    E_SYNTAX = "E_SYNTAX", "the transfer syntax or file type cannot be read here"
    E_DECODE = "E_DECODE", "compressed pixels cannot be decoded"
    E_NESTED = "E_NESTED", "sequences are nested deeper than any real header"
    E_ARCHIVE = "E_ARCHIVE", "archives are not opened; unpack them first"
    E_UNREADABLE = "E_UNREADABLE", "the operating system refuses to read a file"
    E_PATIENT = "E_PATIENT", "files of different patients claim to be one study"
    E_CHANGED = "E_CHANGED", "the input changed while it was processed"

    # Geometry
    E_POSITION = "E_POSITION", "slices state no position in space"
    E_ORIENTATION = "E_ORIENTATION", "the orientation is not two perpendicular unit vectors"
    E_PIXEL_SPACING = "E_PIXEL_SPACING", "the pixel spacing is missing, zero or not a number"
    E_SPACING = "E_SPACING", "slices are not evenly spaced"
    E_GAP = "E_GAP", "a slice is missing"
    E_DUPLICATE = "E_DUPLICATE", "two different slices share a position"
    E_TILT = "E_TILT", "slices are sheared beyond any gantry tilt"
    E_FRAME = "E_FRAME", "the image has no frame of reference"
    E_AFFINE = "E_AFFINE", "the affine is singular, not finite or has a zero column"
    E_FORMS = "E_FORMS", "qform and sform place the image differently"
    E_NO_FORM = "E_NO_FORM", "the NIfTI header states no orientation (both form codes are 0)"
    E_DIMS = "E_DIMS", "the image has dimensions that are not supported here"
    E_REGISTRATION = "E_REGISTRATION", "the head cannot be registered to the template"

    # Intensities
    E_RESCALE = "E_RESCALE", "rescale slope or intercept is zero or not a number"
    E_BITS = "E_BITS", "the bit layout of the pixels is not valid"
    E_NAN = "E_NAN", "voxels are not finite numbers"

    # Choice of input
    E_NO_MATCH = "E_NO_MATCH", "no series of the study suits the pipeline"
    E_AMBIGUOUS = "E_AMBIGUOUS", "several series suit one role of the pipeline"
    E_MODALITY = "E_MODALITY", "the modality is not one that the pipeline accepts"
    E_KIND = "E_KIND", "the image is of a kind (volume, slices, planar) that a stage does not take"
    E_NO_INPUT = "E_NO_INPUT", "no readable study was found"

    # Data sets for learning
    E_DATASET = "E_DATASET", "the description of a data set (table, dataset.json, folder) is wrong"
    E_SPLIT = "E_SPLIT", "a split does not part the cases of a data set as it must"
    E_GRID = "E_GRID", "images or masks of one case lie on different grids"
    E_LABEL = "E_LABEL", "a mask holds values that are no label"

    # Health records
    E_RECORD = "E_RECORD", "a health record contradicts itself, such as a birth after admission"
    E_UNIT = "E_UNIT", "a unit is not known for the variable that it stands beside"
    E_TIME = "E_TIME", "times of a table cannot be read or are of several forms"

    # Work
    E_STAGE = "E_STAGE", "a stage raised an error of its own"
    E_TIMEOUT = "E_TIMEOUT", "the study took longer than its time limit"
    E_CRASH = "E_CRASH", "the worker process died while it held the study"
    E_MEMORY = "E_MEMORY", "there is not enough memory"

    # Use and machine
    E_SETTINGS = "E_SETTINGS", "a setting, option or pipeline file is wrong"
    E_PIPELINE_CHANGED = "E_PIPELINE_CHANGED", "the run folder was made by another pipeline"
    E_PACKAGE = "E_PACKAGE", "a model package is damaged, incomplete or holds what it must not"
    E_OUTPUT = "E_OUTPUT", "the output folder cannot be used"
    E_DISK = "E_DISK", "writing failed: disk full, quota or permissions"
    E_DEVICE = "E_DEVICE", "the requested device is not available"

    # Flags
    W_TILT = "W_TILT", "gantry tilt: the sheared affine is kept"
    W_SPACING = "W_SPACING", "slice spacing is uneven"
    W_GAP = "W_GAP", "a slice seems to be missing"
    W_DUPLICATE = "W_DUPLICATE", "identical copies were dropped"
    W_REGRID = "W_REGRID", "uneven slices were resampled to even spacing"
    W_SINGLE_SLICE = "W_SINGLE_SLICE", "one slice: the extent along its normal is the slice thickness"
    W_PREAMBLE = "W_PREAMBLE", "the DICOM preamble is missing"
    W_EXECUTABLE = "W_EXECUTABLE", "the DICOM preamble holds an executable header"
    W_HEADER = "W_HEADER", "the header was repaired"
    W_UID = "W_UID", "an identifier in the header is not a valid UID"
    W_NO_FORM = "W_NO_FORM", "the NIfTI header states no orientation; left and right are not known"
    W_FORMS = "W_FORMS", "qform and sform differ; one was chosen on request"
    W_DIMS = "W_DIMS", "dimensions of length 1 were dropped"
    W_NAN = "W_NAN", "voxels that are not finite numbers were replaced"
    W_MODALITY = "W_MODALITY", "the file states no modality; the pipeline's was assumed"
    W_SET_ASIDE = "W_SET_ASIDE", "series that do not suit the pipeline were set aside"
    W_CALIBRATION = "W_CALIBRATION", "the radiograph states no calibrated pixel spacing"
    W_INVERTED = "W_INVERTED", "slices whose header asks for low values to be shown bright"
    W_LOSSY = "W_LOSSY", "the pixels were compressed with loss"
    W_BURNED_IN = "W_BURNED_IN", "the pixels may hold burned-in text"
    W_BOUNDS = "W_BOUNDS", "a measurement touches the edge of the field of view"
    W_CROP = "W_CROP", "the image is a crop already; its side was not checked"
    W_TURNED = "W_TURNED", "the head is turned: it was interpolated to lie upright"
    W_NOT_FOUND = "W_NOT_FOUND", "a structure was not found in the image"
    W_CLEANED = "W_CLEANED", "cleaning changed a structure by a tenth or more"
    W_UNSEEN = "W_UNSEEN", "the input lies beyond what the model was trained on"
    W_MEMORY = "W_MEMORY", "memory did not suffice: the work was done in smaller steps"
    W_UNIT = "W_UNIT", "values whose unit is unknown or in doubt were left out"
    W_PATIENTS = "W_PATIENTS", "patients of a shard were refused; the others were worked on"
    W_NO_LABS = "W_NO_LABS", "the record holds no laboratory value"
    W_EMPTY = "W_EMPTY", "the image holds a single value"

    @property
    def is_flag(self) -> bool:
        """Whether the code flags a kept result instead of ending the work."""
        return self.value.startswith("W_")
