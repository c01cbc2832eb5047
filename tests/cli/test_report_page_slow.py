"""A study's report in a browser: it loads nothing, complains of nothing, and can be read at two widths and on paper."""

import base64
import os

import browser
from program import ProgramTest, main
from test_study import STUDY

# More columns than a window has room for, and more panels than one row.
WIDE = """
[[study.tables]]
name = "wide"
caption = "A table of many columns <with> & signs."
rows = ["model.family.type", "objective.beta", "seed"]
metrics = ["loss_beta", "kl", "elbo", "nll", "taylor", "grae", "diagonal_bound", "isotropic_bound", "active_units", "off_diagonal"]
evaluation = "final"
[[study.figures]]
name = "many-panels"
caption = "Many panels"
x = "objective.beta"
metrics = ["loss_beta", "kl", "grae", "elbo"]
panel = "metric"
series = "model.family.type"
evaluation = "final"
"""

# Everything that is measured in the page. Letters of a picture are measured in a copy of it that is part of the page,
# at the size that the picture has there.
MEASURE = """(() => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const inside = (e, outer) => { const [l, , r] = box(e), [a, , b] = box(outer); return l >= a - 1 && r <= b + 1; };
  const blocks = [...document.body.querySelectorAll(
    'h1, h2, p, figcaption, summary, .scroll, details[open] pre')].map(e => ({what: e.tagName + ' ' + e.textContent.slice(0, 40), box: box(e)}));
  const figures = [...document.images].map(image => {
    const copy = document.createElement('div');
    copy.innerHTML = new TextDecoder().decode(Uint8Array.from(atob(image.src.split(',')[1]), c => c.charCodeAt(0)));
    const svg = copy.querySelector('svg');
    copy.style.cssText = 'position:absolute;left:0;top:0';
    document.body.append(copy);
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim()).map(t => ({text: t.textContent, box: box(t)}));
    const found = {alt: image.alt, complete: image.complete, natural: [image.naturalWidth, image.naturalHeight],
      width: image.clientWidth, height: image.clientHeight, texts, frame: box(svg),
      shown: inside(image, image.parentElement) || image.parentElement.scrollWidth > image.parentElement.clientWidth};
    copy.remove();
    return found;
  });
  return {blocks, figures, page: document.documentElement.scrollWidth, window: document.documentElement.clientWidth,
    tables: [...document.querySelectorAll('table')].map(t => ({rows: t.tBodies[0].rows.length, columns: t.rows[0].cells.length,
      ragged: [...t.rows].some(r => r.cells.length != t.rows[0].cells.length), height: t.offsetHeight,
      letters: parseFloat(getComputedStyle(t).fontSize),
      cut: [...t.rows].some(r => [...r.cells].some(c => c.scrollWidth > c.clientWidth + 1))}))};
})()"""

# How many colours a picture has, in a canvas of the browser itself.
COLOURS = """(async () => {
  const image = new Image(); image.src = 'data:image/png;base64,%s'; await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const bytes = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer), seen = new Map();
  for (const colour of bytes) seen.set(colour, (seen.get(colour) || 0) + 1);
  return {width: image.width, height: image.height, colours: seen.size, paper: (seen.get(0xffffffff) || 0) / bytes.length};
})()"""


def overlap(one, other):
    """The shared part of two boxes, of the smaller one's area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])
    return max(width, 0) * max(height, 0) / max(min(area(one), area(other)), 1)


class ReportPage(ProgramTest):
    def setUp(self):
        browser.require(self)
        super().setUp()
        (self.folder / "grid.toml").write_text(STUDY + WIDE)
        self.run_program("study", "grid.toml", "--jobs", 2)
        self.page = self.folder / "studies" / "grid" / "report.html"

    def test_it_can_be_read(self):
        with browser.Browser() as chromium:
            for width, media in ((1200, "screen"), (400, "screen"), (720, "print")):
                with self.subTest(width=width, media=media):
                    self.check(chromium, width, media)
            self.check_details(chromium)

    def check(self, chromium, width, media):
        url = self.page.as_uri()
        chromium.open(url, width, media=media)
        found = chromium.ask(MEASURE)
        for method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.assertEqual(chromium.reported(method), [])
        asked = [event["request"]["url"] for event in chromium.reported("Network.requestWillBeSent")]
        self.assertEqual([request for request in asked if not request.startswith("data:")], [url])

        self.assertEqual(found["page"], found["window"], "the page is wider than the window")
        self.assertEqual([(table["rows"], table["columns"]) for table in found["tables"]], [(4, 4), (8, 13), (8, 5)])
        for table in found["tables"]:
            self.assertFalse(table["ragged"] or table["cut"], table)
            self.assertGreater(table["letters"], 10)
        self.check_order(found["blocks"])
        self.assertEqual(len(found["figures"]), 7)
        for figure in found["figures"]:
            self.check_figure(figure, width)

        picture = chromium.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")["data"]
        if "VARIFORM_KEEP" in os.environ:  # to be looked at
            with open(os.path.join(os.environ["VARIFORM_KEEP"], f"report-{media}-{width}.png"), "wb") as file:
                file.write(base64.b64decode(picture))
        shown = chromium.ask(COLOURS % picture)
        self.assertEqual(shown["width"], width)
        self.assertGreater(shown["height"], 1500)
        self.assertGreater(shown["colours"], 100)  # letters' edges and the colours of curves
        self.assertTrue(0.5 < shown["paper"] < 0.99, shown)

    def check_order(self, blocks):
        """Text, tables and pictures stand below each other."""
        blocks.sort(key=lambda block: block["box"][1])
        for above, below in zip(blocks, blocks[1:]):
            self.assertLessEqual(above["box"][3], below["box"][1] + 1, (above, below))
            self.assertGreater(above["box"][3] - above["box"][1], 10, above)

    def check_figure(self, figure, width):
        self.assertTrue(figure["complete"] and figure["shown"], figure["alt"])
        self.assertGreater(min(figure["natural"]), 200)
        self.assertGreaterEqual(figure["width"], 0.59 * figure["natural"][0])
        self.assertAlmostEqual(figure["height"] / figure["width"], figure["natural"][1] / figure["natural"][0], delta=0.02)
        texts = figure["texts"]
        self.assertGreater(len(texts), 3)
        left, top, right, bottom = figure["frame"]
        for i, text in enumerate(texts):
            box = text["box"]
            self.assertTrue(left - 1 <= box[0] and box[2] <= right + 1 and top - 1 <= box[1] and box[3] <= bottom + 1,
                            f"{figure['alt']}: {text} is cut off by {figure['frame']}")
            for other in texts[i + 1:]:
                self.assertLess(overlap(box, other["box"]), 0.1, f"{figure['alt']}: {text} and {other}")

    def check_details(self, chromium):
        """What is folded away opens, and does not widen the page."""
        chromium.open(self.page.as_uri(), 400)
        self.assertEqual(chromium.ask("[...document.querySelectorAll('details')].map(d => d.open = true).length"), 3)
        found = chromium.ask(MEASURE)
        self.assertEqual(found["page"], found["window"])
        self.check_order(found["blocks"])
        self.assertTrue(any("objective" in block["what"] or "name" in block["what"] for block in found["blocks"]
                            if block["what"].startswith("PRE")))


if __name__ == "__main__":
    main()
