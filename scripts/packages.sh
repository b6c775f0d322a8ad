# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the other scripts: installs what a step needs and the machine
# lacks. Nothing is installed where everything is there.

# have_command NAME / have_module PKG-CONFIG-NAME / have_element GST-NAME
have_command () { command -v "$1" >/dev/null 2>&1; }
have_module () { have_command pkg-config && pkg-config --exists "$1"; }
have_element () {
  have_command gst-inspect-1.0 && gst-inspect-1.0 --exists "$1" 2>/dev/null
}

# What is looked for and the Debian package that has it.
build_needs="
  command:cc              build-essential
  command:meson           meson
  command:ninja           ninja-build
  command:pkg-config      pkg-config
  command:python3         python3
  module:gio-unix-2.0     libglib2.0-dev
  module:json-glib-1.0    libjson-glib-dev
  module:libpcre2-8       libpcre2-dev
  module:libsoup-3.0      libsoup-3.0-dev
  module:libzstd          libzstd-dev
  module:gstreamer-1.0    libgstreamer1.0-dev
"
run_needs="
  command:gst-launch-1.0  gstreamer1.0-tools
"
test_needs="
  command:clang           clang
  command:clang-format    clang-format
  command:g-ir-scanner    gobject-introspection
  module:gobject-introspection-1.0  libgirepository1.0-dev
  element:subparse        gstreamer1.0-plugins-base
"

arm64_needs="
  command:aarch64-linux-gnu-gcc  gcc-aarch64-linux-gnu
  command:qemu-aarch64    qemu-user
"

# Names of the packages that NEEDS... name and the machine lacks.
list_missing () {
  local what package
  while read -r what package; do
    case $what in
      '') ;;
      command:*) have_command "${what#*:}" || echo "$package" ;;
      module:*) have_module "${what#*:}" || echo "$package" ;;
      element:*) have_element "${what#*:}" || echo "$package" ;;
    esac
  done <<< "$*" | sort -u
}

# install_packages NEEDS...
install_packages () {
  local missing sudo=
  missing=$(list_missing "$*")
  [ -n "$missing" ] || return 0
  if ! have_command apt-get; then
    echo "Please install what these Debian packages hold:" $missing >&2
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    have_command sudo || {
      echo "Please install, as root:" $missing >&2
      return 1
    }
    sudo=sudo
  fi
  echo "Installing with apt (one to five minutes, once):" $missing >&2
  $sudo apt-get update -q=2 >&2 &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q=2 -y \
      --no-install-recommends $missing >&2
}
