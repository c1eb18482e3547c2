"""`python -m studies.differential --models 5000 --out FOLDER` attacks random models.

The models of one part are tried in one go and recorded in a file of the folder; a part that is
there already is skipped, so the command goes on where it stopped. With `--again`, parts that were
run with other code than today's are run again.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

from studies.differential.record import part_record, summary
from studies.differential.trial import ABOUT

ROOT = Path(__file__).parents[2]


def main(arguments=None) -> int:
    """Runs what is missing, writes the summary and returns 1 if anything was refuted."""
    parser = argparse.ArgumentParser(prog="python -m studies.differential", description=__doc__)
    parser.add_argument("--models", type=int, default=5000)
    parser.add_argument("--part", type=int, default=100, help="models in a part")
    parser.add_argument("--first", type=int, default=0, help="seed of the first model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the parts' records")
    parser.add_argument("--again", action="store_true", help="rerun the parts of other code")
    parser.add_argument("--about", choices=ABOUT, default=ABOUT[0], help="what is tried")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    commit, records, started, done = commit_of(ROOT), [], time.monotonic(), 0
    last = options.first + options.models
    starts = list(range(options.first, last, options.part))
    for number, first in enumerate(starts):
        path = options.out / f"part-{first:06d}.json"
        seeds = range(first, min(first + options.part, last))
        record = _read(path, seeds)
        if record is None or (options.again and record["commit"] != commit):
            failed = sum(len(earlier["failures"]) for earlier in records)
            shown = _progress(number, len(starts), len(seeds), started, done, failed)
            record = part_record(seeds, commit_of(ROOT), shown, options.about)
            _write(path, record)
            done += 1
        records.append(record)
    total = summary(records, commit)
    _write(options.out / "summary.json", total)
    print(json.dumps(total, indent=2))
    return 1 if total["failures"] else 0


def commit_of(root) -> str:
    """The commit of a working tree, and whether tracked files were changed since."""

    def git(*words):
        found = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
        return found.stdout.strip() if found.returncode == 0 else "unknown"

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "HEAD") + ("+" if changed else "")


def _progress(number, parts, models, started, done, failed):
    """Prints where the run stands, `failed` the failures of earlier parts, and when it will end."""

    def shown(index, failures):
        share = (number + index / models) / parts
        # Parts that were there already took no time.
        finished = done + index / models
        seconds = (time.monotonic() - started) / max(finished, 1e-9)
        left = seconds * (parts - number - index / models) / 60
        filled = int(30 * share)
        bar = "█" * filled + "·" * (30 - filled)
        end = "\n" if index == models else "\r"
        print(
            f"{bar} {share:6.1%}, {failed + failures} failures, {left:.0f} min left ",
            end=end,
            flush=True,
        )

    return shown


def _read(path, seeds):
    """The record of a part; `None` where there is none of these seeds."""
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    return record if record["seeds"] == [seeds.start, seeds.stop] else None


def _write(path, record):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    raise SystemExit(main())
