"""The command line of an installed course: `python -m course_lib doctor`, `evidence` and `real`."""

import argparse
import sys

__all__ = ["main"]


def main(arguments=None):
    """Run one command and return its exit status: 0 well, 1 something to mend, 2 a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m course_lib", description="One Mask Apart.")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="check this machine: versions, device, memory, disk, a short training")
    doctor.add_argument("--no-training", action="store_true", help="leave out the five-second training run")
    evidence = commands.add_parser("evidence", help="run the recorded experiments over seeds, or list their records")
    evidence.add_argument("names", nargs="*", help="experiments to record; all of them if none is named")
    evidence.add_argument("--seeds", type=int, help="seeds per arm (default: the experiment's own)")
    evidence.add_argument("--jobs", type=int, default=2, help="processes at once, one thread each (default 2)")
    evidence.add_argument("--list", action="store_true", help="only show what is recorded, outdated or missing")
    real = commands.add_parser("real", help="fetch the world's checkpoints once, into the cache")
    real.add_argument("names", nargs="*", help="checkpoints to fetch; all that can be had if none is named")
    real.add_argument("--list", action="store_true", help="only show what there is, how large, and what is here")
    options = parser.parse_args(arguments)
    try:
        if options.command == "doctor":  # imported here, so that --help answers at once
            from course_lib.doctor import run

            return run(training=not options.no_training)
        if options.command == "real":
            from course_lib.apply import real

            try:
                return real.run(options.names, options.list)
            except ValueError as unknown:
                parser.error(unknown)
        from course_lib.experiments import EXPERIMENTS, find, recording

        if options.jobs < 1 or (options.seeds or 2) < 2:
            parser.error("--jobs must be at least 1, and --seeds at least 2: an interval needs two runs.")
        try:
            chosen = [find(name) for name in options.names or EXPERIMENTS]
        except ValueError as unknown:
            parser.error(unknown)
        return recording.run(chosen, options.seeds, options.jobs, options.list)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
