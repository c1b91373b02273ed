# shellcheck shell=bash
# Installs what scripts/run and scripts/test need; they source this. Does nothing, fast, when all is there.
#
# Sets: root (the checkout), venv (its virtual environment). Reads: assume_yes (1: don't ask).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
assume_yes=${assume_yes:-0}

say() { printf '%s\n' "$*" >&2; }
die() {
    say "$@"
    exit 1
}

# confirm QUESTION: yes unless the person says no; without a terminal, only with --yes.
confirm() {
    local answer
    [[ $assume_yes == 1 ]] && return 0
    [[ -t 0 ]] || return 1
    read -r -p "$1 [Y/n] " answer || return 1
    [[ -z $answer || $answer == [Yy]* ]]
}

# --- system packages -------------------------------------------------------------------------------------------------

have_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

# installed PACKAGE...: prints those of them that are installed.
installed() {
    # Its exit code says that some are unknown, which is no error here.
    # shellcheck disable=SC2016 # the fields are dpkg-query's
    { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true; } | sed -n 's/^installed //p' | sort -u
}

# missing PACKAGE...: prints those of them that are not.
missing() {
    local there package
    there=" $(installed "$@" | tr '\n' ' ') "
    for package in "$@"; do
        [[ $there == *" $package "* ]] || printf '%s\n' "$package"
    done
}

is_pipewire() { [[ -n $(installed pipewire-audio pipewire-pulse) ]]; }

# sound_packages: prints what voiceloop needs for sound: PortAudio, and where a sound server is, ALSA's plug-in for
# PulseAudio and the library by which the server is asked for its devices. PipeWire has a plug-in of its own, but through
# that one sound is lost when the machine is busy. The plug-in needs FFmpeg's libraries, which a desktop has (a bare machine
# would get 70 packages).
sound_packages() {
    echo libportaudio2
    [[ -z $(installed pulseaudio pipewire-pulse)${PULSE_SERVER-} ]] || printf '%s\n' libpulse0 libasound2-plugins
}

# as_root: the words that go before a command that needs root.
as_root() { [[ $EUID == 0 ]] || printf 'sudo '; }

# known PACKAGE...: whether apt's lists have them all; on a fresh machine there are no lists.
known() { apt-get -s -q --no-install-recommends install "$@" >/dev/null 2>&1; }

# refuse_removal PACKAGE...: ends the script if installing these would take anything away.
refuse_removal() {
    local plan removed
    plan=$(apt-get -s -q --no-install-recommends install "$@" 2>&1) || die "$plan" \
        $'\n'"apt can't install: $*. Mend that first; nothing was changed."
    removed=$(sed -n 's/^Remv \([^ ]*\).*/\1/p' <<<"$plan" | tr '\n' ' ')
    [[ -z $removed ]] || die "Installing $* would remove: $removed" \
        $'\n'"Nothing was changed. Install what you can by hand, then run this again."
}

# need PACKAGE...: installs what is missing of them with apt, after asking.
need() {
    local -a packages
    local sudo update=""
    mapfile -t packages < <(missing "$@")
    ((${#packages[@]})) || return 0
    sudo=$(as_root)
    if known "${packages[@]}"; then
        refuse_removal "${packages[@]}"
    else
        update="${sudo}apt-get update && "
    fi
    local install="${sudo}apt-get install --no-install-recommends ${packages[*]}"
    say "Missing system packages: ${packages[*]}"
    say "    $update$install"
    confirm "Run this now?" || die "Nothing was installed. Run the line above yourself, or this script with --yes."
    [[ -z $update ]] || apt_get update
    refuse_removal "${packages[@]}"
    apt_get install -y --no-install-recommends "${packages[@]}"
}

apt_get() {
    local -a sudo=()
    [[ $EUID == 0 ]] || sudo=(sudo)
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >&2 || die "apt-get $1 failed; see above."
}

# elsewhere: what to install where there is no apt.
elsewhere() {
    case "$(uname -s):$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}")" in
        Darwin:*) echo "brew install python@3.13 portaudio" ;;
        *fedora* | *rhel*) echo "sudo dnf install python3 portaudio alsa-plugins-pulseaudio" ;;
        *arch*) echo "sudo pacman -S --needed python portaudio alsa-plugins" ;;
        *suse*) echo "sudo zypper install python313 libportaudio2 alsa-plugins-pulse" ;;
        *alpine*) echo "voiceloop's wheels need glibc: use a Debian container" ;;
        *) echo "Python 3.11 or newer with venv, PortAudio (libportaudio.so.2), ALSA's pulse plugin" ;;
    esac
}

# have_portaudio: whether sounddevice will find the library; its macOS wheel brings it along.
have_portaudio() {
    [[ $(uname -s) == Darwin ]] || { PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null | grep 'libportaudio\.so\.2' >/dev/null; }
}

# --- Python ----------------------------------------------------------------------------------------------------------

can_make_venv() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11)); ' 2>/dev/null && "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# find_python: prints a Python that can make the environment; the system's own first, then those that have all wheels.
find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$name" >/dev/null && can_make_venv "$name"; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# system_packages WHAT...: Python and libraries, by apt; without apt, prints what to install.
system_packages() {
    local -a wanted=("$@")
    if have_apt; then
        [[ -x $venv/bin/python ]] || find_python >/dev/null || wanted+=(python3-venv)
        need "${wanted[@]}"
    elif ! { find_python >/dev/null && have_portaudio; }; then
        say "This machine has no apt. Install, then run this again:"
        die "    $(elsewhere)"
    fi
}

make_venv() {
    local python
    # A moved checkout or a new Python leaves an environment that no longer runs.
    if [[ -x $venv/bin/python ]] && "$venv/bin/python" -c '' 2>/dev/null; then
        return 0
    fi
    python=$(find_python) || die "Python 3.11 or newer is needed, and here is $(python3 --version 2>&1 || true)." \
        $'\n'"Install a newer one (Debian 12 and Ubuntu 24.04 have it as python3), then run this again."
    say "Making the virtual environment .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" >&2 || die "The virtual environment could not be made; see above."
}

digest() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# stamp: what an installation depends on; when it is unchanged, pip isn't called.
stamp() {
    { printf '%s\n' "$root" && cat "$root/pyproject.toml" "$venv/pyvenv.cfg"; } | digest
}

# pip ARGUMENT...: the environment's pip.
pip() { (cd "$root" && "$venv/bin/python" -m pip --disable-pip-version-check -q "$@"); }

# project WHAT PIP-ARGUMENT...: installs the project with its extras into the environment, unless that was done before.
# What can't be had on this machine is left out, and told.
project() {
    local what=$1 mark=$venv/.installed-$1 extras=local,espeak,echo,qr
    shift
    local size="about 150 MB"
    [[ $what == run ]] || extras+=,piper,whisper,parakeet,files size="up to 600 MB"
    make_venv
    [[ -f $mark && $(<"$mark") == "$(stamp)" ]] && return 0
    say "Installing voiceloop into .venv; the first time it takes a minute ($size)"
    if [[ $what == test ]]; then # dependency groups came with pip 25.1; Debian 12 has 23
        pip install --upgrade 'pip>=25.1' >&2 || pip_failed
    fi
    # Compiling every module of every package takes half of the time. Python compiles those that are used, if it may.
    [[ $what != run || -n ${PYTHONDONTWRITEBYTECODE-} ]] || set -- --no-compile "$@"
    if ! pip install -e ".[$extras]" "$@" >&2; then
        say "Not everything can be installed here; trying one after the other"
        pip install -e . "$@" >&2 || pip_failed
        # Without the network, or on a full disk, it is tried again the next time.
        one_by_one "$extras" || return 0
    fi
    stamp >"$mark"
    [[ $what == run ]] || stamp >"$venv/.installed-run" # who can test can run
}

# requirements EXTRAS: prints each requirement of the extras, a line each, as 'EXTRA REQUIREMENT'.
requirements() {
    "$venv/bin/python" -c '
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
for extra in sys.argv[2].split(","):
    for requirement in project["optional-dependencies"][extra]:
        print(extra, requirement)
' "$root/pyproject.toml" "$1"
}

# one_by_one EXTRAS: installs each of their requirements on its own and says which ones failed, and why. False if one
# failed for another reason than that there is no wheel for this machine.
one_by_one() {
    local extra requirement output final=1 lacking=0
    while read -r extra requirement; do
        # A wheel or nothing: what is built from source here would need compilers and libraries, and hours.
        output=$(pip install --only-binary=:all: "$requirement" 2>&1 </dev/null) && continue
        lacking=1
        say "Not installed: ${requirement%%;*} (extra '$extra'), on $(machine)"
        say "    $(grep -m1 '^ERROR' <<<"$output" || printf '%s' "${output##*$'\n'}")"
        [[ $output == *"No matching distribution"* && $output != *"Retrying"* ]] || final=0
    done < <(requirements "$1")
    ((!lacking)) || say "What can be used instead is told by: .venv/bin/voiceloop check"
    ((final))
}

# machine: the processor and the C library, on which the wheels depend.
machine() {
    local libc
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc="a C library other than glibc"
    printf '%s with %s' "$(uname -m)" "$libc"
}

pip_failed() { die "pip failed; see above. The first installation needs the network."; }
