"""The errors a person may see: one class per layer, one clear sentence each."""


class PneumoscopeError(Exception):
    """Something the person at the keyboard can understand and act on.

    ``str(error)`` is one sentence: what came, what was expected, what to do next. Pages and commands
    show it as it is, without a traceback.
    """


class ImageError(PneumoscopeError):
    """A file that cannot be read as a film."""


class WeightsError(PneumoscopeError):
    """ImageNet weights that could not be had or verified."""


class DatasetError(PneumoscopeError):
    """A data set that is missing, empty, inconsistent or leaks between splits."""


class RunError(PneumoscopeError):
    """A training run that cannot start, be written or be resumed."""


class CheckpointError(PneumoscopeError):
    """A checkpoint that cannot be written, read or verified."""


class ArtifactError(PneumoscopeError):
    """A download that failed or does not match its fingerprint."""


class ExplainError(PneumoscopeError):
    """Something about a network or a film that cannot be explained in the way that was asked for."""


class EvaluationError(PneumoscopeError):
    """Scores that cannot be read, or that do not allow what was asked of them."""
