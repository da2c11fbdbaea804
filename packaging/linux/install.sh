#!/bin/sh
# Puts Tern into the menu of this person; needs no administrator. The program stays in this folder.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
share=${XDG_DATA_HOME:-"$HOME/.local/share"}
bin=$HOME/.local/bin
mkdir -p "$share/applications" "$share/mime/packages" "$bin"
cp -R "$here/share/icons" "$share/"
cp "$here/share/mime/packages/tern.xml" "$share/mime/packages/"
ln -sf "$here/tern" "$bin/tern"
# Quoted as the Desktop Entry Specification wants it: \ " ` $ get a backslash, which a string value doubles.
quoted=$(printf '%s' "$here/tern" | sed -e 's/[\\"`$]/\\\\&/g' -e 's/%/%%/g')
escaped=$(printf '%s' "$quoted" | sed -e 's/[\\&|]/\\&/g')
sed -e "s|^Exec=tern |Exec=\"$escaped\" |" -e '/^TryExec=/d' \
    "$here/share/applications/tern.desktop" > "$share/applications/tern.desktop"
update-desktop-database "$share/applications" 2>/dev/null || true
update-mime-database "$share/mime" 2>/dev/null || true
echo "Tern is in your menu now. Start it there, or with: $bin/tern"
