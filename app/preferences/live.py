"""The settings in force: changed at once, told to whoever obeys them, written a moment later.

Knows the values and their file; must not know widgets or what a setting does.
"""

from PySide6.QtCore import QObject, QTimer, Signal

from app.jobs import JobRunner
from core import presets
from core.errors import AppError, ErrorCode
from core.paths import AppPaths
from core.settings import Settings
from core.specs import SPECS, spec_of

SAVE_AFTER_MS = 400  # typing in a text field is one change of the file


class LiveSettings(QObject):
    """Holds the one Settings value of the window."""

    changed = Signal(frozenset)  # the keys whose values are others now
    failed = Signal(object)

    def __init__(self, runner: JobRunner, paths: AppPaths, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._paths = paths
        self._settings = settings
        self._fault = _fault_of(settings)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SAVE_AFTER_MS)
        self._timer.timeout.connect(self.flush)

    @property
    def settings(self) -> Settings:
        """The values now."""
        return self._settings

    @property
    def is_saved(self) -> bool:
        """True when nothing waits to be written."""
        return not self._timer.isActive()

    def set(self, key: str, value: object) -> None:
        """Give `key` a value in the general settings.

        Raises:
            AppError: SETTING_INVALID.
        """
        self.replace(self._settings.with_value(key, value))

    def change(self, key: str, value: object) -> None:
        """Give `key` a value, in the chosen style where it belongs to one.

        Raises:
            AppError: SETTING_INVALID.
        """
        self.replace(presets.with_change(self._settings, key, value))

    def reset(self, key: str) -> None:
        """Take the change of `key` back."""
        self.replace(presets.with_reset(self._settings, key))

    def replace(self, settings: Settings) -> None:
        """Take over other values."""
        before, self._settings = self._settings, settings
        keys = frozenset(spec.key for spec in SPECS if before.get(spec.key) != settings.get(spec.key))
        if keys:
            self._timer.start()
            self.changed.emit(keys)

    def take_fault(self) -> AppError | None:
        """Return what was wrong with the file when it was read, once; the file is then written anew."""
        fault, self._fault = self._fault, None
        if fault is not None:
            self._timer.start()
        return fault

    def flush(self) -> None:
        """Write the file now (store lane)."""
        self._timer.stop()
        settings, path = self._settings, self._paths.settings
        self._runner.start("store", lambda _cancel, _emit: settings.save(path), on_failed=self.failed.emit)


def _fault_of(settings: Settings) -> AppError | None:
    if settings.bad_copy is not None:
        return AppError(ErrorCode.SETTINGS_UNREADABLE, kept_as=settings.bad_copy)
    if settings.reset_keys:
        return AppError(ErrorCode.SETTINGS_RESET, names=", ".join(spec_of(key).label for key in settings.reset_keys))
    return None
