"""
Write restic-keeps.json: which snapshots of random histories restic keeps by random policies.

    python tests/client/data/make_restic_keeps.py

Needs restic 0.14.0 (Debian 12: apt-get install restic) and some minutes. Each snapshot of one repository
belongs to several histories, which are tags; `restic forget --dry-run` judges each history by its policy.
Only histories in which no calendar rule has counts left are written, because later versions of restic also
keep the oldest snapshot by such a rule.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

VERSION = "0.14.0"
HISTORIES = 320
SNAPSHOTS = 260
ZONE = "Europe/Berlin"
TARGET = Path(__file__).with_name("restic-keeps.json")

# Times that matter: both changes of daylight saving time, ends of months and years, ISO weeks that belong to
# another year, a leap day.
SPECIAL = (
    *("2019-12-29 23:59:59", "2019-12-30 00:00:00", "2019-12-31 23:59:59", "2020-01-01 00:00:00"),
    *("2020-02-29 12:00:00", "2020-03-29 01:59:59", "2020-03-29 03:00:00", "2020-03-31 00:00:00"),
    *("2020-10-25 01:30:00", "2020-10-25 03:30:00", "2020-12-31 23:00:00", "2021-01-01 00:30:00"),
    *("2021-01-03 23:59:59", "2021-01-04 00:00:00", "2021-03-31 08:00:00"),
)


def times(rng: random.Random) -> list[datetime]:
    """Return the times of the snapshots, without a zone: restic reads them as local time."""
    found = {datetime.fromisoformat(text) for text in SPECIAL}
    last = datetime.fromisoformat("2021-04-01 06:00:00")
    while len(found) < SNAPSHOTS:
        step = rng.choice([timedelta(minutes=7), timedelta(hours=1), timedelta(days=1), timedelta(days=30)])
        at = last - step * rng.randint(0, 60) + timedelta(seconds=rng.randint(0, 3000))
        # An hour that does not exist, or exists twice, has no one meaning in local time.
        if not (at.month in {3, 10} and at.day >= 25 and at.hour == 2):
            found.add(at.replace(microsecond=0))
    return sorted(found)


def policy(rng: random.Random) -> dict[str, str]:
    """Return a random policy, as restic's options."""
    rules = {
        "last": str(rng.randint(1, 4)),
        "hourly": str(rng.randint(1, 4)),
        "daily": str(rng.randint(1, 5)),
        "weekly": str(rng.randint(1, 4)),
        "monthly": str(rng.randint(1, 4)),
        "yearly": str(rng.randint(1, 2)),
        "within": rng.choice(["3h", "1d", "2d12h", "7d", "1m", "2m3d", "1y", "1y2m3d4h"]),
    }
    return {name: rules[name] for name in rng.sample(sorted(rules), rng.randint(1, 3))}


def main() -> int:
    """Write the file."""
    rng = random.Random(20261126)
    at = times(rng)
    histories: list[dict[str, Any]] = []
    for number in range(HISTORIES):
        chosen = sorted(rng.sample(range(len(at)), rng.randint(4, 24)))
        histories.append({"tag": f"h{number}", "snapshots": chosen, "policy": policy(rng)})
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "RESTIC_REPOSITORY": f"{folder}/repository", "RESTIC_PASSWORD": "p", "TZ": ZONE,
            "RESTIC_CACHE_DIR": f"{folder}/cache",
        }  # fmt: skip

        def restic(*arguments: str) -> str:
            return subprocess.run(
                ["restic", *arguments], env=environment, check=True, capture_output=True, text=True, input="x"
            ).stdout

        version = restic("version").split()[1]
        if version != VERSION:
            print(f"restic {version} is installed; this file is made with {VERSION}", file=sys.stderr)
            return 1
        restic("init")
        for index, moment in enumerate(at):
            tags = ",".join(entry["tag"] for entry in histories if index in entry["snapshots"])
            options = ["--tag", tags] if tags else []
            restic("backup", "--stdin", "--host", "h", "--time", f"{moment:%Y-%m-%d %H:%M:%S}", *options)
            if index % 20 == 0:
                print(f"{index} of {len(at)} snapshots")
        cases = [case for entry in histories if (case := judge(entry, at, restic)) is not None]
    TARGET.write_text(
        json.dumps({"restic": VERSION, "timezone": ZONE, "cases": cases}, separators=(",", ":")) + "\n"
    )
    print(f"{len(cases)} histories in {TARGET.name}")
    return 0


def judge(entry: dict[str, Any], at: list[datetime], restic: Callable[..., str]) -> dict[str, Any] | None:
    """Return what restic keeps of a history, or None if a calendar rule has counts left."""
    options = [part for name, value in entry["policy"].items() for part in (f"--keep-{name}", value)]
    output = restic("forget", "--dry-run", "--json", "--group-by", "", "--tag", entry["tag"], *options)
    (group,) = json.loads(output)
    zone = ZoneInfo(ZONE)
    kept = sorted(_seconds(snapshot["time"]) for snapshot in group["keep"] or [])
    reasons = group.get("reasons") or []
    for name, value in entry["policy"].items():
        used = sum(any(match.startswith(f"{name} ") for match in reason["matches"]) for reason in reasons)
        if name != "within" and used < int(value):
            return None
    history = [int(at[index].replace(tzinfo=zone).timestamp()) for index in entry["snapshots"]]
    return {"policy": entry["policy"], "history": history, "keep": kept}


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


if __name__ == "__main__":
    sys.exit(main())
