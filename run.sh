#!/usr/bin/env bash
# The entry point of all tools of this project: creates .venv, installs the pinned dependencies, runs a part.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'USAGE'
usage: bash run.sh PART [arguments]

  demo         an example DAG in a real Airflow against the simulator; exit code = outcome
                 DAG_ID   which one: nightly_notebook_snapshot by default; --help lists them
                 --keep   leave everything running and print how to log in to the UI (Ctrl-C ends it)
                 --fail   let the save fail, to see how a failure is shown; exit code 0 if it did
  test         every test that needs no service          (arguments go to pytest; -n0 runs one process)
  check        lint, format, types, layers, workflows
  matrix       the wheel on every supported Airflow: unit tests, the nightly DAG, clears (arguments: versions)
                 --record  write docs/compatibility.md   (--help lists the other options)
  e2e          the tests that start a real Airflow        (arguments go to pytest)
  browser      the UI of Airflow in a real browser        (arguments: versions, default 3.3.2 and 2.11.2)
                 --record  copy three screenshots into docs/images
                 installs Debian's chromium where it is missing
  bench        the benchmarks in bench/, in an environment of their own with the providers that ours is compared with
                 NAME      only this one, with its own arguments (--help lists them)
                 --record  large sizes, written into docs/performance.md
  reliability  the figures of docs/reliability.md: fault-matrix, kills, failover-time, chaos or hanging
                 --record  write them into that page     (--help after one of them lists its options)
                 kills and failover-time, like e2e, install Debian's PostgreSQL and Redis where missing
  docs         the pages of docs/ as a site in site/      (arguments go to mkdocs build)
                 --record  only write the tables of errors and codes into docs/errors.md
  constraints  renew the pins in constraints.txt

Needs Python 3.10 to 3.13 with venv, or uv. The first run makes .venv in this folder.
USAGE
}

log() { printf '[run.sh] %s\n' "$*"; }
die() {
    printf '[run.sh] %s\n' "$*" >&2
    exit 1
}

# The benchmarks and the site have venvs of their own: Airflow loads every provider that is installed.
venv=.venv
group=dev
project=(-e .)
case "${1:-}" in
bench)
    venv=.venv-bench
    group=peers
    ;;
docs)
    # The pages are made from the sources as text: neither Airflow nor the package needs to be installed.
    venv=.venv-docs
    group=docs
    project=()
    ;;
esac
venv_python="$venv/bin/python"
stamp="$venv/.installed"

clean_environment() {
    # Settings of another Airflow and modules of another project must not affect this one.
    local name
    while read -r name; do unset "$name"; done < <(compgen -e AIRFLOW)
    # Without bytecode files each Airflow process needs more than twice as long to start.
    unset PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE
}

# Prints the real path of a Python that this project supports. Each name on PATH is run, because the shims of
# version managers exist without an installed version. $1: further modules that it must have.
find_python() {
    local candidate
    for candidate in python3.12 python3.11 python3.13 python3.10 python3; do
        if "$candidate" -c "
import sys$1
if not (3, 10) <= sys.version_info[:2] <= (3, 13): sys.exit(1)
print(sys.executable)" 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

# Older versions of uv have no dependency groups, so the installed one is checked.
is_usable_uv() { [[ "$("$1" pip install --help 2>/dev/null)" == *--group* ]]; }

# Prints the uv to use: the one on PATH, else one that is installed in a venv.
find_uv() {
    local candidate
    for candidate in uv "$PWD/$venv/bin/uv" "$PWD/.venv/bin/uv"; do
        if is_usable_uv "$candidate"; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

make_venv() {
    local python
    if is_usable_uv uv; then
        python="$(find_python '')" || python=3.12
        uv venv --quiet --clear --python "$python" "$venv"
    else
        python="$(find_python ', ensurepip, venv')" || die "No usable Python: install Python 3.10 to 3.13 with its \
venv module (Debian and Ubuntu: apt-get install python3 python3-venv), or uv."
        "$python" -m venv --clear "$venv"
    fi
    log "made $venv with $("$venv_python" --version)"
}

ensure_venv() { "$venv_python" -c '' 2>/dev/null || make_venv; }

ensure_pip() { "$venv_python" -m pip --version >/dev/null 2>&1 || "$venv_python" -m ensurepip >/dev/null; }

# Installs uv into the venv when there is none yet; fails when that is not possible.
ensure_uv() {
    find_uv >/dev/null && return 0
    ensure_pip
    "$venv_python" -m pip install --quiet --disable-pip-version-check uv && find_uv >/dev/null
}

# Runs a command, and prints a line every nine seconds until it has ended.
with_progress() {
    local title="$1" status=0 ticker
    shift
    (while sleep 9 >/dev/null 2>&1; do log "still $title"; done) &
    ticker=$!
    "$@" || status=$?
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    return "$status"
}

set_up() {
    [[ -f constraints.txt ]] || die "constraints.txt is missing: restore it, or make it with 'bash run.sh constraints'."
    local wanted
    wanted="$(cat pyproject.toml constraints.txt | cksum)"
    ensure_venv
    if [[ -f "$stamp" && "$(<"$stamp")" == "$wanted" ]]; then
        return 0
    fi
    log "installing the pinned dependencies"
    if ensure_uv; then
        with_progress 'installing' \
            "$(find_uv)" pip install --quiet --python "$venv_python" -c constraints.txt --group "$group" "${project[@]}"
    else
        log "uv cannot be installed; using pip, which takes longer"
        "$venv_python" -m pip install --quiet --upgrade 'pip>=25.1'
        with_progress 'installing' \
            "$venv_python" -m pip install --quiet -c constraints.txt --group "$group" "${project[@]}"
    fi
    printf '%s\n' "$wanted" >"$stamp"
    log "environment ready after $SECONDS s"
}

run_check() {
    local failed=0 summary=''
    check_one() {
        local title="$1"
        shift
        if "$@"; then
            summary+="ok      $title"$'\n'
        else
            summary+="FAILED  $title"$'\n'
            failed=$((failed + 1))
        fi
    }
    check_one 'lint (ruff check)' ruff check .
    check_one 'format (ruff format --check)' ruff format --check .
    check_one 'types (mypy)' mypy
    check_one 'layers (lint-imports)' lint-imports
    check_one 'workflows (zizmor)' zizmor --offline --quiet .github
    printf '\n%s' "$summary"
    return "$((failed > 0))"
}

run_test() {
    local workers
    workers="$(nproc)"
    # Each process needs seconds to import Airflow, and half a gigabyte. Modules stay whole: they share fixtures.
    exec python -m pytest -m 'not e2e' -n "$((workers < 4 ? workers : 4))" --dist loadfile "$@"
}

run_browser() {
    ensure_uv || die "The browser tests need uv, and it could not be installed: install uv and put it on PATH."
    "$(find_uv)" pip install --quiet --python "$venv_python" -c constraints.txt --group browser
    # Airflow creates its folder on import; keep it out of the user's home.
    export AIRFLOW_HOME="$PWD/.venv/airflow"
    PATH="$(dirname "$(find_uv)"):$PATH" exec python -m tests.browser.run "$@"
}

run_reliability() {
    local which="${1:-}"
    case "$which" in
    fault-matrix | kills | failover-time | chaos | hanging) shift ;;
    *) die "Name one of: fault-matrix, kills, failover-time, chaos, hanging." ;;
    esac
    # Airflow creates its folder on import; keep it out of the user's home.
    export AIRFLOW_HOME="$PWD/.venv/airflow"
    exec python -m "tests.reliability.${which//-/_}" "$@"
}

run_docs() {
    [[ "${1:-}" != --record ]] || exec python -m tests.error_tables
    exec env NO_MKDOCS_2_WARNING=true python -m mkdocs build --strict "$@"
}

renew_constraints() {
    find_uv >/dev/null || ensure_venv
    ensure_uv || die "Renewing the pins needs uv, and it could not be installed: install uv and put it on PATH."
    # One file for every supported Python and platform, without a registry's address in it.
    "$(find_uv)" pip compile --quiet --upgrade --universal --python-version 3.10 --no-header --no-annotate \
        --all-extras --group dev --group docs --group browser --group peers pyproject.toml -o constraints.txt
    log "constraints.txt renewed"
}

part="${1:-help}"
(($# == 0)) || shift

clean_environment
case "$part" in
help | -h | --help)
    usage
    exit 0
    ;;
constraints)
    renew_constraints
    exit 0
    ;;
demo | test | check | matrix | e2e | browser | bench | reliability | docs) set_up ;;
*)
    usage >&2
    die "Unknown part '$part': choose one of the parts above."
    ;;
esac

export PATH="$PWD/$venv/bin:$PATH"
case "$part" in
demo) exec python -m tests.e2e.demo "$@" ;;
test) run_test "$@" ;;
check) run_check ;;
matrix) exec python -m tests.matrix.run "$@" ;;
e2e) exec python -m pytest -m e2e "$@" ;;
browser) run_browser "$@" ;;
bench) exec python -m bench "$@" ;;
reliability) run_reliability "$@" ;;
docs) run_docs "$@" ;;
esac
