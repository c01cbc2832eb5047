"""Every piece of advice that messages give is followed: message → what is typed → it works.

A case is a row of the table below. `wrong` is typed first, by a shell; it must fail and say something that matches `says`.
What the message advises is the group `typed` of that expression, and `then` is typed next, with {typed} in it: that must
work. `files` and `edit` change files before the first and before the second command.
"""

import dataclasses
import re
import struct
import subprocess
import zlib

from program import BINARY, CONFIG, ProgramTest, main


@dataclasses.dataclass
class Case:
    name: str
    wrong: str
    says: str
    then: str = ""          # "": the same again
    files: dict = dataclasses.field(default_factory=dict)
    edit: tuple = ()        # (file, old, new): new may contain {typed}
    before: str = ""        # typed first of all
    code: int = 2           # of `wrong`


def changed(old, new):
    assert old in CONFIG, old
    return {"wrong.toml": CONFIG.replace(old, new)}


STUDY = """
include = ["small.toml"]
name = "grid"
[train]
steps = 2
evaluate_every = 0
[study.axes]
"model.family.type" = ["diagonal", "full"]
[study.evaluate.a]
limit = 16
importance_samples = 0
[study.evaluate.b]
limit = 8
importance_samples = 0
"""
TABLE = '[[study.tables]]\nname = "t"\nrows = ["model.family.type"]\nmetrics = ["kl"]\nevaluation = "a"\n'
MODEL = ('data.dataset={ type = "model", latent = 2, shape = [1, 8, 8], prior = { type = "gaussian" }, '
         'decoder = { type = "mlp", hidden = [8] }, likelihood = { type = "gaussian" }, %s }')
WITH_COPIES = "VARIFORM_PLUGINS=$PWD/p variform "
PRINT = "variform config print small.toml "
FILE = "variform config print wrong.toml"

CASES = [
    # ---------------------------------------------------------------- values on the command line
    Case("text that looks like a number", PRINT + "name=2024", r"hint: in a shell, write (?P<typed>.*)", PRINT + "{typed}"),
    Case("text that looks like a number, quotes taken by the shell", PRINT + 'name="2024"',
         r"hint: in a shell, write (?P<typed>name='\"2024\"')\n", PRINT + "{typed}"),
    Case("text that looks like a flag", PRINT + "name=true", r"hint: in a shell, write (?P<typed>.*)", PRINT + "{typed}"),
    Case("a number in quotes", PRINT + "train.batch='\"20\"'", r"hint: in a shell, write (?P<typed>train\.batch=20)\n",
         PRINT + "{typed}"),
    Case("a fraction in quotes", PRINT + "objective.beta='\"0.5\"'", r"hint: in a shell, write (?P<typed>.*)", PRINT + "{typed}"),
    Case("a flag in quotes", PRINT + "data.dequantise='\"true\"'", r"hint: in a shell, write (?P<typed>.*)", PRINT + "{typed}"),
    Case("a list without brackets", PRINT + "model.encoder.hidden=16",
         r"hint: in a shell, write (?P<typed>model\.encoder\.hidden='\[16\]')\n", PRINT + "{typed}"),
    Case("a component by its name", PRINT + "model.family=full", r"hint: in a shell, write (?P<typed>model\.family\.type=full)\n",
         PRINT + "{typed}"),
    Case("a binarised range", PRINT + "data.binarise=static data.scale=standardise",
         r"hint: in a shell, write (?P<typed>.*)", PRINT + "data.binarise=static {typed}"),
    Case("no value", PRINT + "train.batch", r"hint: if it is meant as a key, write (?P<typed>train\.batch=)VALUE",
         PRINT + "{typed}64"),
    Case("a key without a value", PRINT + "train.batch=", r"such as (?P<typed>train\.batch=64)", PRINT + "{typed}"),
    Case("a key with a slip", PRINT + "train.bacth=20", r'did you mean "(?P<typed>\w+)"', PRINT + "train.{typed}=20"),
    Case("a component with a slip", PRINT + "model.family.type=fulll", r'did you mean "(?P<typed>\w+)"',
         PRINT + "model.family.type={typed}"),
    # ---------------------------------------------------------------- values in a file
    Case("text in a file without quotes", FILE, r"hint: write it in quotes", files=changed('name = "small"', "name = 2024"),
         edit=("wrong.toml", "name = 2024", 'name = "2024"')),
    Case("a number in a file in quotes", FILE, r"hint: write it without quotes", files=changed("batch = 20", 'batch = "20"'),
         edit=("wrong.toml", 'batch = "20"', "batch = 20")),
    Case("a date in a file", FILE, r"hint: write it in quotes", files=changed('name = "small"', "name = 2024-01-01"),
         edit=("wrong.toml", "2024-01-01", '"2024-01-01"')),
    Case("a list in a file without brackets", FILE, r"hint: write it in brackets: (?P<typed>hidden = \[) … \]",
         files=changed('encoder = { type = "mlp", hidden = [16] }', 'encoder = { type = "mlp", hidden = 16 }'),
         edit=("wrong.toml", "hidden = 16 }", "{typed}16] }}")),
    Case("a component in a file by its name", FILE, r"hint: write (?P<typed>family = .*)",
         files=changed('family = { type = "diagonal" }', 'family = "diagonal"'),
         edit=("wrong.toml", 'family = "diagonal"', "{typed}")),
    Case("a key in a file with a slip", FILE, r'hint: did you mean "(?P<typed>\w+)"', files=changed("batch = 20", "bacth = 20"),
         edit=("wrong.toml", "bacth", "{typed}")),
    Case("a section in a file with a slip", FILE, r'hint: did you mean "(?P<typed>\w+)"',
         files=changed("[objective]", "[objektive]"),
         edit=("wrong.toml", "objektive", "{typed}")),
    # ---------------------------------------------------------------- runs
    Case("a run that is there, to go on", "variform train small.toml train.steps=2 --no-figures",
         r"Resume it \((?P<typed>--resume)\)", "variform train small.toml train.steps=2 --no-figures {typed}",
         before="variform train small.toml train.steps=2 --no-figures", code=1),
    Case("a run that is there, to be replaced", "variform train small.toml train.steps=2 --no-figures",
         r"replace it \((?P<typed>--overwrite)\)", "variform train small.toml train.steps=2 --no-figures {typed}",
         before="variform train small.toml train.steps=2 --no-figures", code=1),
    Case("a run that is there, with another seed", "variform train small.toml train.steps=2 --no-figures",
         r"change the config's name or (?P<typed>seed)", "variform train small.toml train.steps=2 --no-figures {typed}=9",
         before="variform train small.toml train.steps=2 --no-figures", code=1),
    Case("a run whose plugin has changed", WITH_COPIES + "resume runs/* --no-figures",
         r"Go on with (?P<typed>--accept-changed-plugins)",
         WITH_COPIES + "resume runs/* --no-figures {typed}",
         before="cp -r $VARIFORM_PLUGINS p && " + WITH_COPIES + "train small.toml --stop-at 2 --no-figures && "
                "printf x >> p/variform-objectives.so", code=1),
    Case("a run whose metrics were cut", "variform resume runs/* --no-figures",
         r"start the run again: (?P<typed>variform train .*)",
         "{typed} --no-figures",
         before="variform train small.toml --stop-at 12 --no-figures && truncate -s 0 runs/*/metrics.jsonl", code=1),
    Case("a training that stopped", """variform train small.toml --stop-at 1 --no-figures --runs "q'x \\$(touch owned) ;rm" """,
         r"Go on with: (?P<typed>variform resume .*)", "{typed} --no-figures && ! test -e owned", code=0),
    Case("a run without the optimizer's state", "variform resume runs/* train.steps=3",
         r"Train it again from the start: (?P<typed>variform train .*)", "{typed} --no-figures",
         before="variform train small.toml train.steps=2 --no-figures --model-only", code=1),
    Case("changes of a model in a resumed run", "variform resume runs/* objective.beta=2",
         r"changes of \[train\] only \((?P<typed>train\.steps)=",
         "variform resume runs/* {typed}=4 --no-figures", before="variform train small.toml train.steps=2 --no-figures"),
    Case("a run that is not there", "variform evaluate nothing", r"`(?P<typed>variform runs list)` shows what there is",
         "{typed}", code=1),
    Case("a figure of a run that was not evaluated", "variform runs plot runs/* --evaluation kl --out f",
         r"make it with: (?P<typed>variform evaluate .*)\.\n",
         "{typed} --limit 16 && variform runs plot runs/* --evaluation kl --out f",
         before="variform train small.toml train.steps=2 --no-figures", code=1),
    # ---------------------------------------------------------------- data
    Case("data that are not there", "variform check small.toml", r"(?P<typed>--data)", "variform check small.toml {typed} moved",
         before="mkdir moved && mv images.npy labels.npy moved", code=1),
    Case("an import that is there", "variform data import pictures --size 8 --out p.h5",
         r"replace it with (?P<typed>--overwrite)",
         "variform data import pictures --size 8 --out p.h5 {typed}", before="variform data import pictures --size 8 --out p.h5",
         code=None),
    Case("an import that is there, to another place", "variform data import pictures --size 8 --out p.h5",
         r"choose another with (?P<typed>--out)", "variform data import pictures --size 8 {typed} q.h5",
         before="variform data import pictures --size 8 --out p.h5", code=None),
    Case("data of a model without a size", PRINT + f"""'{MODEL % "test = 20"}'""",
         r"hint: write (?P<typed>size = 10000), or fresh",
         PRINT + f"""'{MODEL % "test = 20, {typed}"}'""".replace("{ ", "{{ ").replace(" }", " }}")),
    Case("data of a model without a size, fresh", PRINT + f"""'{MODEL % "test = 20"}'""", r"or (?P<typed>fresh = true)",
         PRINT + f"""'{MODEL % "test = 20, {typed}"}'""".replace("{ ", "{{ ").replace(" }", " }}")),
    # ---------------------------------------------------------------- studies
    Case("a study that is no config", "variform train 'a study.toml'", r"run: (?P<typed>variform study .*)", "{typed}",
         files={"a study.toml": STUDY}),
    Case("an axis that is no list", "variform study grid.toml --list", r"hint: write (?P<typed>seed = \[1), …\]",
         files={"grid.toml": STUDY.replace("[study.axes]", "[study.axes]\nseed = 1")},
         edit=("grid.toml", "seed = 1", "{typed}]")),
    Case("one cell to leave out", "variform study grid.toml --list", r"hint: write (?P<typed>\[\[study\.skip\]\])",
         files={"grid.toml": STUDY + '[study.skip]\n"model.family.type" = "full"\n'},
         edit=("grid.toml", "[study.skip]", "{typed}")),
    Case("a cell beyond the last", "variform study grid.toml --only 3", r"from 1 to (?P<typed>2)",
         "variform study grid.toml --only {typed}",
         files={"grid.toml": STUDY}),
    Case("a report before its study", "variform report grid.toml", r"run: (?P<typed>variform study) STUDY\.toml",
         "{typed} grid.toml",
         files={"grid.toml": STUDY}, code=1),
    Case("a table of two evaluations", "variform study grid.toml", r"choose one by (?P<typed>evaluation = \".*\")\.",
         files={"grid.toml": STUDY + TABLE.replace('evaluation = "a"\n', "")},
         edit=("grid.toml", 'metrics = ["kl"]', 'metrics = ["kl"]\n{typed}'), code=1),
    Case("a metric with a slip", "variform study grid.toml", r'did you mean "(?P<typed>\w+)"',
         files={"grid.toml": STUDY + TABLE.replace('["kl"]', '["kll"]')}, edit=("grid.toml", "kll", "{typed}"), code=1),
    Case("a key that bars ignore", "variform study grid.toml", r"understands .*\b(?P<typed>series)\b",
         files={"grid.toml": STUDY + '[[study.figures]]\nname = "f"\nkind = "bars"\nmetrics = ["kl"]\nevaluation = "a"\n'
                                     'x = "model.family.type"\n'},
         edit=("grid.toml", 'x = "model', '{typed} = "model')),
    Case("a heat map of two models", "variform study grid.toml", r"name that axis",
         files={"grid.toml": STUDY + '[[study.figures]]\nname = "f"\nkind = "heat-map"\narray = "geometry_arrays.metric.mean"\n'
                                     'evaluation = "a"\n'},
         edit=("grid.toml", 'evaluation = "a"', 'evaluation = "a"\npanel = "model.family.type"'), code=1),
    Case("an axis with a slip", "variform study grid.toml --list", r'did you mean "(?P<typed>[\w.]+)"',
         files={"grid.toml": STUDY + TABLE.replace('rows = ["model.family.type"]', 'rows = ["model.familie.type"]')},
         edit=("grid.toml", "model.familie.type", "{typed}")),
    # ---------------------------------------------------------------- components
    Case("a component that is not there", "variform describe familie:full", r"(?P<typed>family)",
         "variform describe {typed}:full"),
]


def png(size, value):
    """A grey picture of one value."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = b"".join(b"\0" + bytes([value]) * size for _ in range(size))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Advice(ProgramTest):
    def setUp(self):
        super().setUp()
        (self.folder / "pictures").mkdir()
        for i in range(10):
            (self.folder / "pictures" / f"{i}.png").write_bytes(png(8, 20 * i))
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "variform").symlink_to(BINARY)

    def shell(self, command):
        environment = self.environment()
        environment["PATH"] = f"{self.folder / 'bin'}:{environment['PATH']}"
        done = subprocess.run(["sh", "-c", command], cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300)
        return done.returncode, f"$ {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"

    def follow(self, case):
        for file, text in case.files.items():
            (self.folder / file).write_text(text)
        if case.before:
            code, said = self.shell(case.before)
            self.assertEqual(code, 0, said)
        code, said = self.shell(case.wrong)
        if case.code is not None:
            self.assertEqual(code, case.code, said)
        found = re.search(case.says, said)
        self.assertTrue(found, f"{case.says!r} is not in:\n{said}")
        typed = found.groupdict()
        if case.edit:
            file, old, new = case.edit
            text = (self.folder / file).read_text()
            self.assertIn(old, text)
            (self.folder / file).write_text(text.replace(old, new.format(**typed)))
        code, said = self.shell(case.then.format(**typed) if case.then else case.wrong)
        self.assertEqual(code, 0, said)


def add(case):
    name = "test_" + re.sub(r"\W+", "_", case.name)
    assert not hasattr(Advice, name), name
    setattr(Advice, name, lambda self: self.follow(case))


for one in CASES:
    add(one)

if __name__ == "__main__":
    main()
