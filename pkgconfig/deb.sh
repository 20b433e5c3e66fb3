#!/bin/sh
# Debian packages of a release's tarball, built and looked at by lintian in BUILD/deb. DEB_BUILD_OPTIONS=nocheck leaves out the tests. Who builds them for others
# says so by DEBFULLNAME and DEBEMAIL, as for Debian's own tools: the address in debian/ is none that anybody could write to.
# usage: pkgconfig/deb.sh BUILD VERSION          (from the repository root, by `make deb`)
set -eu
work=$1/deb tree=$1/deb/orthsr-$2
rm -rf "$work"
mkdir -p "$work"
cp "$1/orthsr-$2.tar.gz" "$work/orthsr_$2.orig.tar.gz"
tar xzf "$work/orthsr_$2.orig.tar.gz" -C "$work"
cp -r pkgconfig/debian "$tree"
if [ -n "${DEBEMAIL-}" ]; then
    by="${DEBFULLNAME:-liborthsr developers} <$DEBEMAIL>"
    awk -v by="$by" '/^Maintainer: / {$0 = "Maintainer: " by} {print}' pkgconfig/debian/control >"$tree/debian/control"
    awk -v by="$by" '/^ -- / {sub(/ -- .*>/, ""); $0 = " -- " by $0} {print}' pkgconfig/debian/changelog >"$tree/debian/changelog"
fi
cd "$tree"
[ "$(dpkg-parsechangelog -S Version)" = "$2-1" ] || { echo "deb: pkgconfig/debian/changelog does not begin with $2-1"; exit 1; }
# What the user gave this make is not for the packages.
unset MAKEFLAGS MFLAGS MAKELEVEL CFLAGS CPPFLAGS LDFLAGS
dpkg-buildpackage -us -uc
cd ..
lintian --fail-on error ./*.changes
for package in ./*.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(dirname root/usr/lib/*/liborthsr.so.1) root/usr/bin/orthsr --version
ls ./*.deb
