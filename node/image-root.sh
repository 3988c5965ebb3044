#!/usr/bin/env bash
# Packs programs compiled on this machine, the shared libraries that its loader gives them, and the
# directories that a node writes to, as the root of an image (node/Dockerfile, target `prebuilt`).
# It never packs anything else of the machine.
#
# usage: node/image-root.sh OUT.tar PROGRAM...
set -euo pipefail

out=$1
shift
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

for program in "$@"; do
  install -D --mode 0755 "$program" "$root/usr/local/bin/$(basename "$program")"
  strip --strip-debug "$root/usr/local/bin/$(basename "$program")"
  # Each line names a file at the path under which the loader will look for it.
  ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
    install -D --mode 0755 "$library" "$root$library"
  done
done

# Files only, but for the directories that belong to the node's user: a base may have its own /lib,
# and that may be a link.
pack=(tar --create --file "$out.part" --directory "$root" --sort name --mtime @0)
(cd "$root" && find . -type f -print0) | "${pack[@]}" --owner 0 --group 0 --null --files-from -
install -d --mode 0700 "$root/var/lib/concordat" "$root/etc/concordat"
pack[1]=--append
"${pack[@]}" --owner 65532 --group 65532 --no-recursion ./var/lib/concordat ./etc/concordat
mv "$out.part" "$out"
