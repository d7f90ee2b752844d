"""What can go wrong, each with the exit code that the command line ends with.

A message is one line: the thing, the reason and the next step.
"""


class DreamrayError(Exception):
    """Base of every error that is told to the user in one line."""

    exit_code = 1


class RequestError(DreamrayError, ValueError):
    """The request itself is wrong: a setting, a path, a layer that does not exist."""

    exit_code = 2


class NotFoundError(RequestError):
    """There is no such file, folder, object or bucket."""


class UnreadableError(RequestError):
    """One file or object may not be read, for its rights or its state; others may."""


class WeightsError(RequestError):
    """The weights cannot be had, or are not what they should be."""


class PictureError(DreamrayError):
    """One picture cannot be read, dreamt or written; others may."""


class ChangedError(DreamrayError):
    """A picture was replaced while it was read; the next try may find it at rest."""


class StorageError(DreamrayError):
    """A folder or bucket did not do what was asked of it."""


class MemoryExhaustedError(DreamrayError):
    """A window's gradient did not fit into memory; a smaller window may."""
