#!/bin/sh
# The release number is the same wherever it stands.
set -u
version=$(sed -n 's/.*ORTHSR_VERSION_STRING "\(.*\)"/\1/p' include/orthsr/version.h)
numbers=$(sed -n 's/#define ORTHSR_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/orthsr/version.h | paste -sd.)
[ "$numbers" = "$version" ] || { echo "versions: numbers $numbers, string $version"; exit 1; }
grep -q "^## $version" CHANGELOG.md || { echo "versions: CHANGELOG.md has no section $version"; exit 1; }
