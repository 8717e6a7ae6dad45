"""
Measure what many waits cost in Airflow's real triggerer: ours, other providers', and the least possible.

Each trigger waits in a triggerer and against a service of its own, on loopback. What is compared is CPU time
above that of the idle triggers of the same round, so that the rounds of a noisy machine can be compared too.
The peers use plain HTTP, except for dbt-cloud, whose hook has https in its addresses.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from statistics import median

from bench.report.table import markdown
from bench.report.verdicts import Verdict, report
from bench.triggerer.cases import CASES, Setting
from bench.triggerer.measurement import Measurement, measure, start_cpu

RECORDED_WAITS = 1_000
"""With at least so many waits the ratio to the best peer must be the target."""
TARGET_RATIO = 1 / 25
"""Runner CPU above idle, ours to the best peer's."""
SMALL_RATIO = 1 / 3
"""The same with few waits, where a hundredth of a second of noise weighs more."""
MAX_REQUESTS = 2
"""Requests per interval, for up to a thousand waits."""
MAX_CONNECTIONS = 2
"""Two while a second page is read."""
MAX_SIZE, MAX_OWN_STALL, MAX_STALL, MAX_DETECTION = 6.0, 0.010, 0.200, 0.6
"""KiB per trigger above idle; seconds; seconds; intervals."""
MAX_UNANSWERED = 1.5
"""Intervals; polls are jittered by a tenth."""
MANY_SIZE, MANY_REQUESTS, MANY_CAP, MANY_CAPPED_REQUESTS, MANY_CPU = 500, 10, 100, 50, 2.0
"""Records of a page, requests per interval; the same capped; percent of a core above idle."""


class Rounds:
    """The measurements of the same cases, round by round."""

    def __init__(self, rounds: list[list[Measurement]]) -> None:
        self._rounds = [{found.setting.case: found for found in one} for one in rounds]
        self.cases = list(self._rounds[0])

    def median(self, case: str, value: Callable[[Measurement], float]) -> float:
        """Return the median of a value over the rounds."""
        return median(value(one[case]) for one in self._rounds)

    def above_idle(self, case: str, value: Callable[[Measurement], float]) -> float:
        """Return the median of the differences to the idle triggers of the same round."""
        return median(value(one[case]) - value(one["idle"]) for one in self._rounds)

    def start(self, case: str) -> float:
        """Return the median of the milliseconds of CPU for the start of a trigger."""
        return median(start_cpu(one[case], one["idle"]) for one in self._rounds)

    def worst(self, case: str, value: Callable[[Measurement], float]) -> float:
        """Return the greatest value of the rounds."""
        return max(value(one[case]) for one in self._rounds)

    def of(self, case: str) -> list[Measurement]:
        """Return the measurements of a case."""
        return [one[case] for one in self._rounds]


def main() -> int:
    """Measure, print tables and return 1 if ours costs too much in proportion."""
    given = arguments()
    peers = [name for name, case in CASES.items() if case.is_peer]
    missing = [name for name in peers if not _is_installed(CASES[name].classpath)]
    if missing:
        raise SystemExit(f"Not installed: {', '.join(missing)}. Run `bash run.sh bench waits`.")
    compared = [setting_of(given, case) for case in CASES]
    limited = [setting_of(given, "ours", rate=given.rate)]
    many = [
        setting_of(given, case, waits=given.many, page_cap=cap)
        for case, cap in (("idle", MANY_SIZE), ("ours", MANY_SIZE), ("ours", MANY_CAP))
        if given.many
    ]
    first = measure([*compared, *limited, *many], together=given.together)
    rounds = Rounds(
        [
            first[: len(compared)],
            *(measure(compared, together=given.together) for _ in range(1, given.rounds)),
        ]
    )
    print(
        f"{given.waits:,} waits, one poll every {given.interval:g} s, measured for {given.seconds:g} s, "
        f"{given.rounds} round{'s' if given.rounds > 1 else ''}; medians, of stalls the longest\n"
    )
    print(comparison(rounds), end="\n\n")
    return report(
        [
            *verdicts(rounds, given),
            limit_verdict(first[len(compared)], given.rate),
            *many_verdicts(first[len(compared) + 1 :], rounds),
        ]
    )


def arguments() -> argparse.Namespace:
    """Return the command's arguments; the defaults are the small sizes."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n", maxsplit=1)[0])
    parser.add_argument("--waits", type=int, default=200)
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two polls of a wait")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rate", type=float, default=10.0, help="requests per second of the limited service")
    parser.add_argument("--many", type=int, default=0, help="waits of one more measurement; 0 for none")
    parser.add_argument(
        "--together",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="all triggers of a round at the same time, which saves time; not for figures that are recorded",
    )
    return parser.parse_args()


def setting_of(
    given: argparse.Namespace, case: str, *, waits: int = 0, rate: float = 0.0, page_cap: int = MANY_SIZE
) -> Setting:
    """Return a setting; a trigger of ours yields no event in its first seven seconds."""
    return Setting(
        case,
        waits or given.waits,
        given.interval,
        max(8.0, given.interval),
        given.seconds,
        detect=case != "idle" and not rate and not waits,
        rate=rate,
        page_cap=page_cap,
    )


def _is_installed(classpath: str) -> bool:
    try:
        return importlib.util.find_spec(classpath.rpartition(".")[0]) is not None
    except ModuleNotFoundError:
        return False


def comparison(rounds: Rounds) -> str:
    """Return the table of all triggers."""
    head = [
        "trigger",
        "requests per interval",
        "new connections per interval",
        "connections",
        "runner CPU above idle, % of a core",
        "supervisor CPU, %",
        "KiB per trigger above idle",
        "longest stall, ms",
        "start above idle, ms CPU per trigger",
        "lookups of connections",
        "detection, s",
    ]
    rows = []
    for case in rounds.cases:
        is_idle = case == "idle"
        runner = rounds.median(case, lambda found: found.runner)
        above = rounds.above_idle(case, lambda found: found.runner)
        size = rounds.above_idle(case, lambda found: found.size)
        rows.append(
            [
                CASES[case].title,
                f"{rounds.median(case, lambda found: found.requests):,.1f}",
                f"{rounds.median(case, lambda found: found.new_connections):,.1f}",
                f"{rounds.worst(case, lambda found: found.connections):,.0f}",
                f"({runner:.2f} in all)" if is_idle else f"{above:+.2f}",
                f"{rounds.median(case, lambda found: found.supervisor):.2f}",
                "-" if is_idle else f"{size:+.1f}",
                f"{1000 * rounds.worst(case, lambda found: found.stall['seconds']):.0f}",
                "-" if is_idle else f"{rounds.start(case):+.2f}",
                f"{rounds.worst(case, lambda found: found.lookups):,.0f}",
                "-" if is_idle else f"{rounds.median(case, lambda found: found.detection):.1f}",
            ]
        )
    return markdown(head, rows)


def verdicts(rounds: Rounds, given: argparse.Namespace) -> list[Verdict]:
    """Return how ours compares with the targets."""
    requests = rounds.median("ours", lambda found: found.requests)
    above = {case: rounds.above_idle(case, lambda found: found.runner) for case in rounds.cases}
    best = min((case for case in rounds.cases if CASES[case].is_peer), key=above.__getitem__)
    ratio = max(0.0, above["ours"]) / above[best]
    limit = TARGET_RATIO if given.waits >= RECORDED_WAITS else SMALL_RATIO
    connections = rounds.worst("ours", lambda found: found.connections)
    size, raw_size = (rounds.above_idle(case, lambda found: found.size) for case in ("ours", "raw"))
    stalls = rounds.of("ours")
    all_, ours = (
        max((getattr(found, name) for found in stalls), key=lambda stall: stall[key])
        for name, key in (("stall", "seconds"), ("our_stall", "ours"))
    )
    detection = rounds.median("ours", lambda found: found.detection)
    return [
        Verdict(
            "requests per interval",
            f"at most {MAX_REQUESTS}",
            f"{requests:.1f}",
            requests <= MAX_REQUESTS * 1.1,  # of the jitter
            requests > MAX_REQUESTS * 1.1,
        ),
        Verdict(
            f"runner CPU above idle, to the best peer's ({best})",
            f"at most 1/{1 / TARGET_RATIO:.0f}"
            + ("" if limit == TARGET_RATIO else f" (few waits: 1/{1 / limit:.0f})"),
            f"{above['ours']:+.2f} to {above[best]:+.2f} %: {_fraction(ratio)}",
            ratio <= TARGET_RATIO,
            ratio > limit,
        ),
        Verdict(
            "connections",
            f"1, at most {MAX_CONNECTIONS} while paging",
            f"{connections:.0f}",
            connections <= MAX_CONNECTIONS,
            connections > MAX_CONNECTIONS,
        ),
        Verdict(
            "size of a trigger above idle, with what is loaded once",
            f"at most {MAX_SIZE:g} KiB",
            f"{size:+.1f} KiB; raw, which loads aiohttp only: {raw_size:+.1f} KiB",
            size <= MAX_SIZE,
        ),
        Verdict(
            "longest stall of our making",
            f"at most {1000 * MAX_OWN_STALL:.0f} ms",
            _described(ours, "ours"),
            ours["ours"] <= MAX_OWN_STALL,
        ),
        Verdict(
            "longest stall in all",
            f"under {1000 * MAX_STALL:.0f} ms",
            _described(all_, "seconds"),
            all_["seconds"] < MAX_STALL,
        ),
        Verdict(
            "detection after ACTIVE, mean",
            f"at most {MAX_DETECTION * given.interval:.1f} s",
            f"{detection:.1f} s at {requests / given.interval:.2f} requests per second",
            detection <= MAX_DETECTION * given.interval,
        ),
    ]


def _fraction(ratio: float) -> str:
    if ratio <= 0:
        return "not measurable"
    return f"1/{1 / ratio:.0f}" if ratio < 0.5 else f"{ratio:.1f}"


def _described(stall: dict[str, object], key: str) -> str:
    """Return a stall's length, and in whose code it was."""
    seconds = float(str(stall[key]))
    samples = stall["samples"]
    assert isinstance(samples, list)  # noqa: S101 - for mypy
    where = next((text for is_ours, text in samples if is_ours or key == "seconds"), "")
    collecting = 1000 * float(str(stall["collecting"])) if key == "seconds" else 0.0
    return (
        f"{1000 * seconds:.0f} ms"
        + (f", of which {collecting:.0f} ms garbage collector," if collecting >= 1 else "")
        + (f" in `{where}`" if where and seconds else "")
    )


def limit_verdict(ours: Measurement, rate: float) -> Verdict:
    """Return what a service with a limit of requests did to ours."""
    is_answered = not ours.refused and ours.unanswered <= MAX_UNANSWERED
    return Verdict(
        f"a limit of {rate:g} requests per second",
        "all answered each interval, none refused",
        f"{ours.refused:.0f} refused, answers at most {ours.unanswered:.1f} intervals apart",
        is_answered,
        bool(ours.refused),
    )


def many_verdicts(many: list[Measurement], rounds: Rounds) -> list[Verdict]:
    """Return what more waits cost, with whole and with capped pages."""
    if not many:
        return []
    idle, whole, capped = many
    waits, fewer = idle.setting.waits, rounds.of("idle")[0].setting.waits
    few = rounds.above_idle("ours", lambda found: found.size) * fewer
    each = ((whole.size - idle.size) * waits - few) / (waits - fewer)
    found = [
        Verdict(
            f"size of each further trigger above idle, from {fewer:,} to {waits:,}",
            f"at most {MAX_SIZE:g} KiB",
            f"{each:+.1f} KiB; {(few - each * fewer) / 1024:.1f} MiB are loaded once",
            each <= MAX_SIZE,
        )
    ]
    for name, one, most in (
        (f"pages of {MANY_SIZE}", whole, MANY_REQUESTS),
        (f"pages capped at {MANY_CAP}", capped, MANY_CAPPED_REQUESTS),
    ):
        above = one.runner - idle.runner
        found.append(
            Verdict(
                f"{waits:,} waits, {name}",
                f"all answered each interval, with at most {most} requests and +{MANY_CPU:g} % of a core",
                f"answers at most {one.unanswered:.1f} intervals apart, "
                f"{one.requests:.1f} requests, {above:+.2f} %",
                one.requests <= most * 1.1 and above <= MANY_CPU and one.unanswered <= MAX_UNANSWERED,
                one.requests > most * 1.1,
            )
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
