"""One exception per kind of error, by who is at fault. `CovmapError` catches them all."""


class CovmapError(Exception):
    """Any error of covmap."""


class IoError(CovmapError, OSError):
    """The operating system refused to read or write a file; `errno` and `filename` say which and why."""


class InputError(CovmapError, ValueError):
    """This file or array is not a radiograph that can be read."""


class InputTypeError(InputError, TypeError):
    """This kind of object, or this dtype, is nothing that `analyze` takes."""


class ModelError(CovmapError):
    """This model file does not fit."""


class ParameterError(CovmapError, ValueError):
    """The caller asked for something that does not exist or makes no sense."""


class LimitsExceededError(CovmapError):
    """A documented bound on sizes was exceeded."""


class CancelledError(CovmapError):
    """The caller cancelled the run, or its deadline passed."""


class InternalError(CovmapError):
    """A defect of covmap itself."""


# Users see and pickle them under the package's name.
for _class in (CovmapError, *CovmapError.__subclasses__(), InputTypeError):
    _class.__module__ = "covmap"
