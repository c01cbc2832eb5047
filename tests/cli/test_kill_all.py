"""The same as test_kill_slow.py with all kills."""

import test_kill_slow
from program import main


class Kill(test_kill_slow.Kill):
    is_whole = True


class KillEveryCommand(test_kill_slow.KillEveryCommand):
    is_whole = True


if __name__ == "__main__":
    main()
