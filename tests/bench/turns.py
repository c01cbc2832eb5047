"""Programs that take turns: a round of one, then the same round of the next, so that a busy machine is busy for all."""

import json
import os
import statistics
import subprocess
import time

WARM_UP = 2  # rounds that do not count


class Participant:
    """A program that answers a line of JSON with a line of JSON."""

    def __init__(self, name, command, environment=None, cores=None):
        self.name = name
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **(environment or {})},
                                        preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None)
        self.ready = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self.process.wait()}; what it said is above")
        return json.loads(line)

    def send(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def ask(self, request):
        self.send(request)
        return self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Rounds:
    """What the participants needed, [name][round], in seconds a step."""

    def __init__(self, participants, steps, rounds):
        self.seconds = {each.name: [] for each in participants}
        self.ready, self.last = {each.name: each.ready for each in participants}, {}
        for number in range(-WARM_UP, rounds):
            for each in participants:
                # Threads of the one before, which wait for work by spinning, have gone to sleep by then.
                time.sleep(0.05)
                count = steps[each.name] if isinstance(steps, dict) else steps
                self.last[each.name] = each.ask({"steps": count})
                if number >= 0:
                    self.seconds[each.name].append(self.last[each.name]["seconds"] / count)

    def add(self, more):
        """Rounds of the same participants, started anew."""
        for name, seconds in more.seconds.items():
            self.seconds[name] += seconds
        self.ready, self.last = more.ready, more.last

    def ratio(self, one, other):
        """How much longer `one` takes than `other`: the median over rounds."""
        return statistics.median(a / b for a, b in zip(self.seconds[one], self.seconds[other]))

    def milliseconds(self, name):
        return 1000 * statistics.median(self.seconds[name])
