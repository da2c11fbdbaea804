"""The disk image for macOS, and signing: with an Apple identity where one is given, ad hoc where not.

Knows codesign, notarytool and hdiutil, which are part of macOS and Xcode's command line tools; must not know how the
application is made. packaging/README.md says which variables turn signing on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build import Build

FILES = Path(__file__).resolve().parent / "macos"
IDENTITY_VARIABLE = "TERN_CODESIGN_IDENTITY"
PROFILE_VARIABLE = "TERN_NOTARY_PROFILE"  # of `xcrun notarytool store-credentials`
Run = Callable[[Sequence[str]], None]

# Places the two icons over the picture; Finder is not there on every build machine, and the image works without.
ARRANGE = """
tell application "Finder"
  tell disk "Tern"
    open
    set current view of container window to icon view
    set toolbar visible of container window to false
    set statusbar visible of container window to false
    set the bounds of container window to {200, 120, 840, 548}
    set options to the icon view options of container window
    set arrangement of options to not arranged
    set icon size of options to 112
    set background picture of options to file ".background:background.png"
    set position of item "Tern.app" of container window to {170, 200}
    set position of item "Applications" of container window to {470, 200}
    update without registering applications
    close
  end tell
end tell
"""


def run(command: Sequence[str]) -> None:
    """Run one step; its failure ends the build."""
    subprocess.run(list(command), check=True)


def make_packages(build: Build, run: Run = run, environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Sign, notarize and return the disk image."""
    sign(build.bundle, run, environ)
    notarize(build.bundle, build.made, run, environ)
    image = disk_image(build, run)
    identity = environ.get(IDENTITY_VARIABLE)
    if identity:
        run(["codesign", "--force", "--timestamp", "--sign", identity, str(image)])
        notarize(image, build.made, run, environ)
    return [image]


def sign(application: Path, run: Run, environ: Mapping[str, str]) -> None:
    """Sign the application as a whole and check it; PyInstaller has signed each library in it."""
    identity = environ.get(IDENTITY_VARIABLE)
    command = ["codesign", "--force", "--sign", identity or "-"]
    if identity:
        entitlements = str(FILES / "entitlements.plist")
        command += ["--timestamp", "--options", "runtime", "--entitlements", entitlements]
    run([*command, str(application)])
    run(["codesign", "--verify", "--deep", "--strict", str(application)])


def notarize(path: Path, made: Path, run: Run, environ: Mapping[str, str]) -> None:
    """Let Apple check `path` and attach the ticket, where identity and profile are given; else do nothing."""
    profile = environ.get(PROFILE_VARIABLE)
    if not (environ.get(IDENTITY_VARIABLE) and profile):
        return
    sent = path
    if path.is_dir():
        sent = made / "notarize.zip"
        run(["ditto", "-c", "-k", "--keepParent", str(path), str(sent)])  # zip would follow symbolic links
    run(["xcrun", "notarytool", "submit", str(sent), "--keychain-profile", profile, "--wait"])
    run(["xcrun", "stapler", "staple", str(path)])


def disk_image(build: Build, run: Run) -> Path:
    """Return a compressed image with the application, a link to Applications and a picture behind them."""
    folder = build.made / "image"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / ".background").mkdir(parents=True)
    shutil.copytree(build.bundle, folder / "Tern.app", symlinks=True)
    (folder / "Applications").symlink_to("/Applications")
    shutil.copy(build.made / "background.png", folder / ".background")
    raw, image = build.made / "raw.dmg", build.output / f"{build.name}.dmg"
    for path in (raw, image):
        path.unlink(missing_ok=True)
    run(
        ["hdiutil", "create", "-volname", "Tern", "-srcfolder", str(folder), "-fs", "HFS+", "-format", "UDRW", str(raw)]
    )
    run(["hdiutil", "attach", str(raw), "-readwrite", "-noverify", "-noautoopen", "-mountpoint", "/Volumes/Tern"])
    try:
        run(["osascript", "-e", ARRANGE])
    except (OSError, subprocess.CalledProcessError):
        pass
    finally:
        run(["hdiutil", "detach", "/Volumes/Tern", "-force"])
    run(["hdiutil", "convert", str(raw), "-format", "UDZO", "-imagekey", "zlib-level=9", "-o", str(image)])
    return image
