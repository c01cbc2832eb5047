"""The page of `variform runs serve` in a browser: 100 runs, one that is being trained, filter, comparison, images, names
that mean harm, two widths, dark and light, and nothing that leaves this machine."""

import base64
import json
import os
import shutil
import time

import browser
import served
from program import ProgramTest, main, metrics, wait_until

HOSTILE = "bad <img src=x onerror=alert(1)> \"q\" 'r'\n=line"
SHOWN = "bad <img src=x onerror=alert(1)> \"q\" 'r'\\x0a=line"
ROWS = "[...document.querySelectorAll('#runs tbody tr:not([hidden])')]"
NAMES = ROWS + ".map(row => row.querySelector('label span span').textContent)"


class ServePage(ProgramTest):
    def setUp(self):
        browser.require(self)
        super().setUp()
        self.model = self.folder / self.run_program("train", "small.toml", "--runs", "models").last_line
        self.runs = self.folder / "runs"
        served.make_runs(self.model, self.runs, 100)
        served.make_run(self.model, self.runs / HOSTILE, served.curve(725, 2000), 2000, 9, 0.7)

    def test_page(self):
        with self.start("train", "small.toml", "train.steps=5000000", "train.log_every=500", "train.evaluate_every=2000",
                        "train.checkpoint_every=100000", "seed=77", "--no-figures") as training:
            wait_until(lambda: len(list(self.runs.glob("small-*/metrics.jsonl"))) == 1, training)
            (live,) = self.runs.glob("small-*")
            with served.Served(self) as self.page, browser.Browser() as self.chromium:
                self.chromium.open(self.page.url, 1500, 950)
                self.until(NAMES + ".length === 102")
                self.check_list(live.name)
                self.check_live(live)
                self.check_filter(live.name)
                self.check_comparison()
                self.check_latency()
                self.check_removal()
                training.terminate()
                training.communicate(timeout=60)
                self.until(f"{ROWS}.some(row => row.textContent.includes('{live.name}') && row.textContent.includes('interrupted by SIGTERM'))")
                for width, height in ((1500, 950), (400, 850)):
                    for scheme in ("light", "dark"):
                        self.check_look(width, height, scheme)
                self.check_nothing_else()
                self.page.end()
                self.until("document.getElementById('link').textContent.includes('no answer')")

    def ask(self, script):
        return self.chromium.ask(script)

    def until(self, script, seconds=20):
        """Waits for a condition in the page; how long that took."""
        begin = time.monotonic()
        while not self.ask(f"Boolean({script})"):
            self.assertLess(time.monotonic() - begin, seconds, script)
            time.sleep(0.02)
        return time.monotonic() - begin

    def texts(self, selector):
        return self.ask(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.innerText)")

    def type_filter(self, text):
        self.ask("document.getElementById('filter').value = ''; document.activeElement.blur()")
        for kind in ("keyDown", "keyUp"):  # "/" leads to the filter
            self.chromium.call("Input.dispatchKeyEvent", type=kind, key="/", text="/" if kind == "keyDown" else "")
        self.assertEqual(self.ask("document.activeElement.id"), "filter")
        self.chromium.call("Input.insertText", text=text)
        if not text:
            self.ask("document.getElementById('filter').dispatchEvent(new Event('input'))")
        return self.ask(NAMES)

    def choose(self, *names):
        self.ask("document.getElementById('none').click()")
        for name in names:
            self.ask(f"rows.get([...runs.values()].find(run => run.name === {json.dumps(name)}).id).box.click()")

    def check_list(self, live):
        self.assertIn("1 running", self.ask("document.getElementById('summary').textContent"))
        self.assertTrue(self.ask("document.title").startswith("(1) Variform"))
        names = self.ask(NAMES)
        self.assertEqual(len(set(names)), 102)
        self.assertIn(SHOWN, names)
        self.assertEqual(self.ask("document.querySelectorAll('#runs img, #legend img').length"), 0)
        # What is trained now is selected at first, and its row says how far it is.
        self.assertEqual(self.ask("selected().map(({run}) => run.name)"), [live])
        row = f"{ROWS}.find(row => row.textContent.includes('{live}'))"
        self.until(f"{row}.innerText.includes('running') && {row}.querySelector('progress')?.value > 0 && / left/.test({row}.innerText)")

    def check_live(self, live):
        """The curve reaches what the training writes."""
        last = lambda: metrics(live, "train")[-1]["step"]
        drawn = "Number(/training: .* at .*, .* at (\\d+)/.exec(document.querySelector('canvas')?.getAttribute('aria-label'))?.[1])"
        first = last()
        self.until(f"{drawn} >= {first}")
        while last() == first:
            time.sleep(0.05)
        self.until(f"{drawn} > {first}")
        self.assertEqual(self.texts("#charts figcaption")[:3], ["loss (nats per example)", "nll (nats per example)", "kl (nats per example)"])

    def check_filter(self, live):
        self.assertEqual(len(self.type_filter("beta=2")), 25)
        self.assertEqual(len(self.type_filter("objective.beta>0.5")), 51)
        self.assertEqual(self.type_filter("beta=2.0 seed=0 run-03"), ["run-035-33333333-0"])
        self.assertEqual(self.type_filter("state=running"), [live])
        self.assertEqual(self.type_filter("<IMG"), [SHOWN])
        self.assertEqual(self.texts("#filter-says"), ["1 of 102 runs"])
        self.assertEqual(self.type_filter("bta=2"), [])
        self.assertIn("no run has the key bta", self.texts("#filter-says")[0])
        self.assertEqual(len(self.type_filter("")), 102)
        self.ask("document.querySelector('#runs thead th button').click()")
        names = self.ask(NAMES)
        self.assertEqual(names, sorted(names, key=str.lower))
        self.assertEqual(self.ask("document.querySelector('#runs th').ariaSort"), "ascending")

    def check_comparison(self):
        names = ["run-000-00000000-0", "run-003-33333333-3", "run-006-66666666-1", SHOWN]
        self.choose(*names)
        self.until("[...series.values()].every(own => own.lines.length) && series.size === 4")
        self.assertEqual([text.split("\n")[0] for text in self.texts("#legend li div")], names)
        self.until("document.querySelector('canvas')?.getAttribute('aria-label')?.includes('run-003-33333333-3, evaluation')")
        label = self.ask("document.querySelector('canvas')?.getAttribute('aria-label')")
        lines = served.curve(720, 2000)
        self.assertIn(f"run-000-00000000-0, training: {lines[0]['loss']:.5g} at 50, {lines[-2]['loss']:.5g} at 2000", label)
        table = self.ask("[...document.querySelectorAll('#last tr')].map(row => [...row.cells].map(cell => cell.textContent))")
        self.assertEqual([row[0] for row in table], ["", "step", "loss", "nll", "kl"])
        self.assertEqual(table[2][1], f"{lines[-1]['loss']:.5g}")
        configs = self.ask("[...document.querySelectorAll('#configs tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")
        self.assertEqual(sorted(configs), [["objective.beta", "0.1", "2", "1", "0.7"], ["seed", "0", "3", "1", "9"]])
        self.ask("document.getElementById('all-keys').click()")
        self.assertGreater(len(self.texts("#configs tbody tr")), 30)
        self.ask("document.getElementById('all-keys').click()")
        # The curves have the colours of the legend: each is somewhere in the picture.
        self.assertGreater(min(self.ask("""(() => {
          const canvas = document.querySelector('canvas'), counts = [0, 0, 0, 0];
          const colours = counts.map((_, slot) => colour(slot).match(/\\w\\w/g).map(x => parseInt(x, 16)));
          const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          for (let i = 0; i < bytes.length; i += 4)
            colours.forEach(([r, g, b], slot) => counts[slot] += bytes[i] === r && bytes[i + 1] === g && bytes[i + 2] === b);
          return counts; })()""")), 5)
        # By keyboard: values at a step.
        self.ask("document.querySelector('canvas').focus()")
        for kind in ("keyDown", "keyUp"):
            self.chromium.call("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
        self.until("/training, step/.test(document.querySelector('#charts output').textContent)")
        self.ask("document.activeElement.blur()")
        self.until("document.querySelector('#charts output').textContent === ''")
        box = self.ask("(({left, top, width, height}) => [left + width / 2, top + height / 2])(document.querySelector('canvas').getBoundingClientRect())")
        self.chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        self.until("/training, step/.test(document.querySelector('#charts output').textContent)")
        for name in ("log", "late"):
            self.ask(f"document.getElementById('{name}').click()")
        self.until("document.querySelector('canvas').frame?.y[1] < 800")
        for name in ("log", "late"):
            self.ask(f"document.getElementById('{name}').click()")
        # Three of the four have pictures.
        self.ask("document.getElementById('images').scrollIntoView()")
        self.until("document.querySelectorAll('#images img').length >= 12 && [...document.querySelectorAll('#images img')].slice(0, 4).every(image => image.naturalWidth > 50)")
        self.ask("document.querySelector('#images button').click()")
        self.until("document.getElementById('large').open && document.querySelector('#large img').naturalWidth > 50")
        self.ask("document.querySelector('#large button').click()")
        self.ask("document.getElementById('legend').scrollIntoView()")

    def check_latency(self):
        """A new line is drawn within a second; the best of some tries, since other work may go on here."""
        run = self.runs / "run-003-33333333-3"
        waits = []
        for step in (2100, 2200, 2300, 2400):
            with open(run / "metrics.jsonl", "a") as file:
                file.write(served.sealed({**served.curve(3, 50)[0], "step": step, "split": "train"}))
            waits.append(self.until(f"document.querySelector('canvas')?.getAttribute('aria-label')?.includes(' at {step};')"))
        self.assertLess(min(waits), 1, waits)

    def check_removal(self):
        shutil.rmtree(self.runs / "run-006-66666666-1")
        self.until(NAMES + ".length === 101")
        self.until("document.querySelectorAll('#legend li').length === 3")

    def check_look(self, width, height, scheme):
        self.chromium.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.chromium.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        time.sleep(0.3)
        found = self.ask("""(() => ({page: document.documentElement.scrollWidth, paper: getComputedStyle(document.body).backgroundColor,
          wide: [...document.querySelectorAll('#charts canvas, #images img, #legend li')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).length}))()""")
        self.assertEqual((found["page"], found["wide"]), (width, 0))
        self.assertEqual(found["paper"], "rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 27)")
        if "VARIFORM_KEEP" in os.environ:  # to be looked at
            picture = self.chromium.call("Page.captureScreenshot", format="png")["data"]
            with open(os.path.join(os.environ["VARIFORM_KEEP"], f"serve-{width}-{scheme}.png"), "wb") as file:
                file.write(base64.b64decode(picture))

    def check_nothing_else(self):
        for method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening"):
            self.assertEqual(self.chromium.reported(method), [])
        asked = self.chromium.reported("Network.requestWillBeSent")
        self.assertGreater(len(asked), 10)
        for event in asked:
            request = event["request"]
            self.assertTrue(request["url"].startswith(self.page.url), request["url"])
            self.assertEqual(request["method"], "GET")


if __name__ == "__main__":
    main()
