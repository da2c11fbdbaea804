#!/bin/sh
# Takes Tern out of this person's menu and asks about the conversations; the folder with the program is yours to delete.
set -eu
share=${XDG_DATA_HOME:-"$HOME/.local/share"}
rm -f "$share/applications/tern.desktop" "$share/mime/packages/tern.xml" "$HOME/.local/bin/tern"
find "$share/icons/hicolor" -path '*/apps/tern.*' -type f -exec rm -f {} + 2>/dev/null || true
update-desktop-database "$share/applications" 2>/dev/null || true
update-mime-database "$share/mime" 2>/dev/null || true
echo "Tern is out of your menu; the folder with the program can be deleted."
if [ -d "$share/Tern" ]; then
    printf 'Delete your conversations, settings and downloaded models in %s as well? [y/N] ' "$share/Tern"
    read -r answer || answer=n
    case $answer in
        y | Y | yes) rm -rf "$share/Tern" && echo "Deleted." ;;
        *) echo "Kept." ;;
    esac
fi
