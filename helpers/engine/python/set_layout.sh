#!/bin/sh
# Give Debian's Python the places of the official image, in the file system at $1:
# /usr/local/bin/python, /usr/local/lib/python3.13/site-packages, and a pip that pip can replace.
set -e
cd "$1"
lib=usr/local/lib/python3.13
rm -r $lib
mv usr/lib/python3.13 $lib
mv usr/bin/python3.13 usr/local/bin/
# Debian's packages still find both where they put them.
ln -s ../local/lib/python3.13 usr/lib/python3.13
ln -s ../local/bin/python3.13 usr/bin/python3.13
ln -s python3.13 usr/local/bin/python3
ln -s python3 usr/local/bin/python

# Debian's `sysconfig` installs to <prefix>/local/lib/python3.13/dist-packages.
sed -i "s/'posix_local'\$/'posix_prefix'/" $lib/sysconfig/__init__.py
# Its `site`, which is compiled into the program, reads dist-packages only. As /usr/bin/python3,
# which the official image gets from apt, it also reads the packages that apt installs.
mkdir $lib/site-packages $lib/dist-packages
cat > $lib/dist-packages/site-packages.pth <<EOF
import site; site.addsitedir('/$lib/site-packages')
import sys; sys.executable.startswith('/usr/bin/') and sys.path.append('/usr/lib/python3/dist-packages')
EOF

rm -f $lib/EXTERNALLY-MANAGED
wheels=usr/share/python-wheels
pip=$(echo $wheels/pip-*.whl)
chroot . python /$pip/pip --isolated install --quiet --root-user-action=ignore \
    --no-index --find-links=/$wheels --no-compile pip
# mmdebstrap sets back the times of new files, for which Python would compile them at each start.
chroot . python -m compileall -q -f --invalidation-mode=unchecked-hash \
    /$lib/sysconfig /$lib/site-packages

# uv brings certificates of its own; the machine's, with those of a proxy, are in the system's.
mkdir etc/uv
echo 'native-tls = true' > etc/uv/uv.toml
