#!/usr/bin/env bash
# What a part of the tests needs beyond Python: installed where that is allowed (root on Debian),
# else named in one line as not run; with CI=true a missing one is an error.
# A line "command package what-for" is added here together with its first test.
set -u
needs=(
  "strace strace the tests that kill, or refuse a write, at a chosen system call"
  "bindfs bindfs the tests of network shares"
  "gcc gcc the tests with a clock that is set while the daemon runs"
  "mkfs.ext4 e2fsprogs the tests of a disk that becomes read-only"
  "curl curl the examples of docs/sandbox.md"
  "zsh zsh completion in zsh (tests/acceptance/test_completion.py)"
  "fish fish completion in fish (tests/acceptance/test_completion.py)"
  "dbus-daemon dbus-daemon a systemd of one user (tests/acceptance/test_service_systemd.py)"
  "systemd-nspawn systemd-container a machine booted by systemd (tests/acceptance/test_service_machine.py)"
  "systemd-analyze systemd the units of systemd/ (tests/acceptance/test_service_systemd.py)"
  "chromium chromium the page of oort monitor in a real browser (tests/acceptance/test_monitor_page.py)"
  "ip iproute2 a network that is down (tests/faults/test_network_down.py)"
)
missing=0
for need in "${needs[@]:-}"; do
  [ -n "$need" ] || continue
  read -r command package what <<<"$need"
  command -v "$command" >/dev/null 2>&1 && continue
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get install -y -qq "$package" >/dev/null 2>&1 \
      || { apt-get update -qq && apt-get install -y -qq "$package"; } >/dev/null 2>&1
  fi
  command -v "$command" >/dev/null 2>&1 && continue
  echo "not run: $what (needs $package)"
  missing=1
done
[ "${CI:-}" != true ] || [ "$missing" = 0 ]
