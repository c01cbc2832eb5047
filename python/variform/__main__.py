"""python -m variform export-runs --to wandb|mlflow|trackio|csv|parquet RUN…: what the package does for a shell."""

import argparse
import sys

from ._record import NOT_STATED
from ._trackers import TRACKERS, export_runs

FAILED, WRONG_USAGE = 1, 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m variform")
    export = parser.add_subparsers(dest="command", required=True).add_parser(
        "export-runs", help="runs for a tracker of experiments", description="Exports runs to a tracker, without network.")
    export.add_argument("runs", nargs="+", metavar="RUN", help="a run's folder")
    export.add_argument("--to", required=True, choices=TRACKERS)
    export.add_argument("--into", metavar="FOLDER", help="where to; for mlflow also a store's address, sqlite:///mlflow.db")
    export.add_argument("--project", default="variform", help="the name there (variform)")
    export.add_argument("--licence", default=NOT_STATED, help="under which terms the runs may be used")
    given = parser.parse_args()
    try:
        done = export_runs(given.runs, given.to, into=given.into, project=given.project, licence=given.licence)
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, ValueError) else FAILED
    for run, what in done.items():
        print(f"{run}: {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
