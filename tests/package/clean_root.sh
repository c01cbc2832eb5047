#!/usr/bin/env bash
# Tries the wheel as a stranger would, in a fresh Debian with Python and pip and nothing else: installs it as a user
# without rights, trains, and opens the run in Python. By hand, as root, since it makes a root by debootstrap:
#
#   tests/package/clean_root.sh SUITE WHEEL FOLDER [--compiler] [-- PIP-OPTION…]
#
# SUITE is bookworm or trixie, WHEEL a file of dist/, FOLDER gets the root and what pip downloads (some 2 GB). The downloads
# are made here, by this machine's pip, before the clock starts; the root itself installs without a network. --compiler then
# installs g++, cmake and ninja in the root, makes a family of its own, builds it against the wheel and trains with it.
# What stands behind "--" goes to pip, with all files of FOLDER/downloads-SUITE: "-- --no-deps" takes what was put there.
set -euo pipefail

suite=${1:-} wheel=${2:-} folder=${3:-}
[ -n "$folder" ] && [ -e "$wheel" ] && [ "$(id -u)" = 0 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2; }
shift 3
compiler=no
[ "${1:-}" = --compiler ] && { compiler=yes; shift; }
[ "${1:-}" = -- ] && shift
mkdir -p "$folder"
folder=$(realpath "$folder") downloads=$(realpath "$folder")/downloads-$suite
root=$folder/$suite data=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}

say() { echo "== $*"; }
inside() { chroot --userspec=researcher:researcher "$root" env -i HOME=/home/researcher PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"; }
clean() {
  local place
  for place in home/researcher/downloads dev proc; do ! mountpoint -q "$root/$place" || umount "$root/$place"; done
}

[ -e "$root/usr/bin/python3" ] ||
  debootstrap --variant=minbase --include=python3,python3-venv,python3-pip "$suite" "$root" >"$folder/$suite.log"
python=$(chroot "$root" python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
[ -d "$downloads" ] || {
  platforms=$(printf -- '--platform manylinux_2_%s_x86_64 ' $(seq 40 -1 5))
  # shellcheck disable=SC2086
  python3 -m pip download -q --python-version "$python" $platforms --only-binary=:all: -d "$downloads" "$wheel[figures]"
}

trap clean EXIT
clean
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
chroot "$root" id researcher >/dev/null 2>&1 || chroot "$root" useradd -m researcher
home=$root/home/researcher
rm -rf "$home"/{v,work,dist,datasets}
mkdir -p "$home"/{work,dist,downloads,datasets}
cp "$wheel" "$home/dist"
rm -f "$downloads"/variform-*.whl  # pip puts a copy there
mount --bind "$downloads" "$home/downloads"
cp -r "$data" "$home/datasets/"
chroot "$root" chown -R researcher:researcher /home/researcher/{work,dist,datasets}

install=("dist/$(basename "$wheel")[figures]")
[ $# = 0 ] || install=("$@" "dist/$(basename "$wheel")" $(cd "$downloads" && printf 'downloads/%s ' *.whl))

say "$suite: $(chroot "$root" cat /etc/debian_version), Python $python; no compiler: $(chroot "$root" sh -c 'command -v cc g++ || echo none' | tr '\n' ' ')"
inside bash -euc '
  cd ~
  python3 -m venv v
  began=$SECONDS
  v/bin/pip install -q --no-index --find-links downloads "$@"
  echo "== installed in $((SECONDS - began)) s; $(du -sh v/lib/python3*/site-packages/variform | cut -f1) of variform, $(du -sh v | cut -f1) in all"
  cd work
  echo "== without the data:"
  ../v/bin/variform train quickstart train.steps=100 || true
  echo "== with the data:"
  VARIFORM_DATA=~/datasets ../v/bin/variform train quickstart train.steps=100 | tee run
  echo "== installed and trained in $((SECONDS - began)) s"
  run=$(tail -n 1 run)
  ../v/bin/variform runs plot "$run" || true
  ls "$run" "$run/figures"; find . -newer run -name "*.svg" -o -newer run -name "*.png"
' bash "${install[@]}"
inside bash -euc 'cd ~/work && VARIFORM_DATA=~/datasets ../v/bin/python -c "
import sys, variform
run = variform.load(sys.argv[1])
print(run, run.objective(run.batch(\"test\", 0, 64)[\"x\"], step=0).item())
print(variform.train(\"quickstart\", {\"train.steps\": 20}, progress=False, no_figures=True))" "$(tail -n 1 run)"' ||
  say "import variform did not work: see above"

[ $compiler = yes ] || exit 0
say "$suite: a family of one's own"
[ -e "$root/usr/bin/cmake" ] || chroot "$root" sh -c '
  apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends g++ cmake ninja-build' >"$folder/$suite-apt.log"
inside bash -euc '
  export VARIFORM_DATA=~/datasets PATH=~/v/bin:$PATH
  cd ~/work
  variform new family mine
  cd mine
  began=$SECONDS
  cmake -G Ninja -S . -B build -DCMAKE_PREFIX_PATH="$(variform --cmake-prefix)"
  [ "$(python -m variform.cmake_prefix_path)" = "$(variform --cmake-prefix)" ]
  cmake --build build
  echo "== configured and built in $((SECONDS - began)) s"
  ctest --test-dir build --output-on-failure
  variform train example.toml
  echo "== from variform new to a trained model in $((SECONDS - began)) s"'
