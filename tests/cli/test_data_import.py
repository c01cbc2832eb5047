"""`data import`: a folder of images becomes a data set; `data list`: which are there. Files are written here byte by byte,
pixels are held against numpy's own crop and resize, and the config for CelebA trains on what came out."""

import os
import resource
import struct
import tomllib

import h5py
import numpy

from program import SOURCE, ProgramTest, blobs, main, write_png


def write_jpeg(path, levels):
    """A grey baseline JPEG of constant 8x8 blocks, uint8 levels [height/8, width/8]: with a quantisation table of ones a
    block is one number, 8 (level - 128), and decodes to its level exactly."""
    def segment(marker, body):
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    rows, columns = levels.shape
    sizes = bytes([0, 0, 0, 12] + [0] * 12)  # DC: the categories 0 to 11, each with its own number as a code of 4 bits
    bits, before = "", 0
    for level in levels.ravel().tolist():
        value = 8 * (level - 128)
        difference, before = value - before, value
        category = abs(difference).bit_length()
        bits += f"{category:04b}"
        if category:
            bits += f"{difference if difference > 0 else difference + (1 << category) - 1:0{category}b}"
        bits += "0"  # the end of the block, the only code of the AC table
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff\xd8" + segment(0xDB, bytes([0]) + bytes([1] * 64)) +
                     segment(0xC0, struct.pack(">BHHB", 8, 8 * rows, 8 * columns, 1) + bytes([1, 0x11, 0])) +
                     segment(0xC4, bytes([0x00]) + sizes + bytes(range(12))) +
                     segment(0xC4, bytes([0x10]) + bytes([1] + [0] * 15) + bytes([0])) +
                     segment(0xDA, bytes([1, 1, 0x00, 0, 63, 0])) + scan + b"\xff\xd9")


def resize_matrix(before, after):
    """Triangle filter, [after, before]; the first and the last pixel stand for everything beyond them."""
    scale = before / after
    reach = max(scale, 1.0)
    centre = (numpy.arange(after) + 0.5) * scale - 0.5
    beyond = int(numpy.ceil(reach)) + 1
    weights = numpy.maximum(0, 1 - abs(numpy.arange(-beyond, before + beyond) - centre[:, None]) / reach)
    weights /= weights.sum(1, keepdims=True)
    inner = weights[:, beyond:-beyond].copy()
    inner[:, 0] += weights[:, :beyond].sum(1)
    inner[:, -1] += weights[:, -beyond:].sum(1)
    return inner


def cropped(pixels, side):
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top:top + side, left:left + side]


def resized(pixels, size):
    matrix = resize_matrix(pixels.shape[0], size)
    return numpy.einsum("yi,ij...,xj->yx...", matrix, pixels.astype(float), matrix)


def noise(*shape, seed=0):
    return numpy.random.default_rng(seed).integers(0, 256, shape, dtype=numpy.uint8)


class Import(ProgramTest):
    def fill_folder(self):
        self.images = self.folder / "images"

    def make(self, *arguments, **options):
        return self.run_program("data", "import", "images", *arguments, **options)

    def imported(self, *arguments, **options):
        """What came out: the open file and the description."""
        result = self.make(*arguments, "--overwrite", **options)
        description = self.folder / result.last_line
        file = h5py.File(description.with_suffix(".h5"), "r")
        self.addCleanup(file.close)
        return file, tomllib.loads(description.read_text())

    def written(self):
        return sorted(path.name for path in self.folder.iterdir() if path.name != "images")


class Pixels(Import):
    def test_same_size_gives_the_same_bytes(self):
        pixels = noise(7, 24, 24, 3)
        names = ["a.png", "b/2.png", "b/1/x.PNG", "b/10.png", "c.png", ".hidden.png", ".git/y.png"]
        for name, image in zip(names, pixels):
            write_png(self.images / name, image)
        (self.images / "list.txt").write_text("1.png 2.png")
        file, description = self.imported("--size", 24, "--test", 2)
        order = [0, 2, 3, 1, 4]  # a.png, b/1/x.PNG, b/10.png, b/2.png, c.png
        expected = pixels[order].transpose(0, 3, 1, 2)
        numpy.testing.assert_array_equal(file["train/x"][()], expected[:3])
        numpy.testing.assert_array_equal(file["test/x"][()], expected[3:])
        self.assertEqual((file["train/x"].dtype, file["train/x"].compression), ("uint8", "gzip"))
        self.assertNotIn("labels", file["train"])
        self.assertEqual(description["name"], "images-24")
        self.assertEqual(description["shape"], [3, 24, 24])
        self.assertEqual(description["splits"]["train"], {"x": "images-24.h5:/train/x", "count": 3})
        self.assertEqual(description["files"]["images-24.h5"]["bytes"], (self.folder / "images-24.h5").stat().st_size)
        self.assertEqual(self.written(), ["images-24.h5", "images-24.toml"])

    def test_crop_and_resize(self):
        wide, high, small = noise(61, 90, 3), noise(77, 50, 3, seed=1), noise(50, 50, 3, seed=2)
        for name, image in (("1.png", wide), ("2.png", high), ("3.png", small)):
            write_png(self.images / name, image)
        for crop, size in ((0, 16), (0, 64), (50, 20), (49, 49), (49, 7)):
            with self.subTest(crop=crop, size=size):
                file, _ = self.imported("--crop", crop, "--size", size, "--test", 0)
                for found, image in zip(file["train/x"][()], (wide, high, small)):
                    expected = resized(cropped(image, crop or min(image.shape[:2])), size).transpose(2, 0, 1)
                    self.assertLess(abs(found - expected).max(), 0.51)
                file.close()

    def test_many_chunks(self):
        """More images than go to the disk at once, one of them damaged, the last chunk not full."""
        pixels = noise(21, 200, 200, 3)
        for i, image in enumerate(pixels):
            write_png(self.images / f"{i:02}.png", image)
        (self.images / "09.png").write_bytes(b"")
        file, _ = self.imported("--size", 200, "--test", 1, "--skip-damaged")
        self.assertEqual(file["train/x"].chunks, (8, 3, 200, 200))
        kept = numpy.delete(numpy.arange(20), 9)
        numpy.testing.assert_array_equal(file["train/x"][()], pixels[kept].transpose(0, 3, 1, 2))
        numpy.testing.assert_array_equal(file["test/x"][()], pixels[20:].transpose(0, 3, 1, 2))

    def test_jpeg(self):
        levels = noise(4, 6)
        write_jpeg(self.images / "a.jpeg", levels)
        whole = levels.repeat(8, 0).repeat(8, 1)
        file, description = self.imported("--size", 32, "--test", 0)
        numpy.testing.assert_array_equal(file["train/x"][0, 0], cropped(whole, 32))
        self.assertEqual(description["shape"], [1, 32, 32])

    def test_channels(self):
        grey, colour = noise(8, 8), noise(8, 8, 3)
        write_png(self.images / "1.png", colour)
        write_png(self.images / "2.png", grey)
        as_grey = (colour @ [0.299, 0.587, 0.114] + 0.5).astype(numpy.uint8)
        for channels, expected in (("as-stored", [colour.transpose(2, 0, 1), [grey] * 3]), ("grey", [[as_grey], [grey]])):
            file, _ = self.imported("--size", 8, "--channels", channels, "--test", 0)
            numpy.testing.assert_array_equal(file["train/x"][()], expected)
            file.close()
        (self.images / "1.png").rename(self.images / "3.png")
        refused = self.make("--size", 8, "--out", "other.h5", code=1)
        self.assertIn("3.png is in colour, but the first image is grey; say --channels colour or", refused.stderr)
        file, _ = self.imported("--size", 8, "--channels", "colour", "--test", 0)
        numpy.testing.assert_array_equal(file["train/x"][()], [[grey] * 3, colour.transpose(2, 0, 1)])


class Splits(Import):
    def test_classes(self):
        counts = {"b": 12, "a-b": 6, "a": 20}
        values = {name: noise(count, 4, 4, seed=count) for name, count in counts.items()}
        for name, images in values.items():
            for i, image in enumerate(images):
                write_png(self.images / name / "deep" / f"{i:03}.png", image)
        file, description = self.imported("--size", 4, "--labels", "folders", "--test", 0.25)
        self.assertEqual(description["class_names"], ["a", "a-b", "b"])
        labels = [file[f"{split}/labels"][()] for split in ("train", "test")]
        self.assertEqual([numpy.bincount(part).tolist() for part in labels], [[15, 5, 8], [5, 1, 4]])
        in_order = numpy.concatenate([values["a"][:15], values["a-b"][:5], values["b"][:8]])
        numpy.testing.assert_array_equal(file["train/x"][:, 0], in_order)
        numpy.testing.assert_array_equal(file["test/x"][:, 0],
                                         numpy.concatenate([values["a"][15:], values["a-b"][5:], values["b"][8:]]))
        write_png(self.images / "stray.png", values["a"][0])
        made = self.make("--labels", "folders", "--size", 16, "--out", "other.h5")
        self.assertIn("left out 1 image beside the folders of the classes (stray.png).", made.stderr)
        self.assertIn("took 38 images (38 .png) of 3 classes: a 20, a-b 6, b 12.", made.stderr)

    def test_refusals(self):
        self.assertIn("images: expected a folder of images, found none", self.make(code=1).stderr)
        self.images.mkdir()
        self.assertIn("images: expected images (.png, .jpg, .jpeg, .gif, .webp, .tif, .bmp) in it or below it", self.make(code=1).stderr)
        for i in range(4):
            write_png(self.images / f"{i}.png", noise(20, 30))
        self.assertIn("--test 4 leaves nothing to train on: there are 4 images", self.make("--test", 4, code=1).stderr)
        self.assertIn("a whole number of images or a share below 1, found 2.5", self.make("--test", 2.5, code=1).stderr)
        self.assertIn("0.png: expected at least 25 x 25 pixels (--crop), found 30 x 20",
                      self.make("--crop", 25, code=1).stderr)
        self.assertIn("--out must end with .h5", self.make("--out", "faces.npy", code=2).stderr)
        self.assertIn('create the folder "nowhere" first', self.make("--out", "nowhere/faces.h5", code=1).stderr)
        self.assertEqual(self.written(), [])
        self.make()
        before = (self.folder / "images-64.h5").read_bytes()
        refused = self.make("--test", 0, code=1)
        self.assertIn("images-64.h5 exists already; replace it with --overwrite, or choose another", refused.stderr)
        self.assertEqual((self.folder / "images-64.h5").read_bytes(), before)

    def test_damaged(self):
        pixels = noise(8, 16, 16)
        for i, image in enumerate(pixels):
            write_png(self.images / f"{i}.png", image)
        whole = (self.images / "2.png").read_bytes()
        (self.images / "2.png").write_bytes(whole[:-40])
        (self.images / "5.png").rename(self.images / "5.jpg")
        (self.images / "7.png").write_bytes(b"not an image at all")
        self.assertIn("2.png: expected an intact PNG image", self.make("--size", 16, code=1).stderr)
        self.assertEqual(self.written(), [])
        made = self.make("--size", 16, "--test", 3, "--skip-damaged", "--json")
        self.assertEqual([text.split(":")[0] for text in made.json["damaged"]],
                         ["images/2.png", "images/7.png"])
        self.assertIn("left out: images/7.png: expected an image (PNG, JPEG, GIF, BMP, WebP, TIFF)", made.stderr)
        with h5py.File(self.folder / "images-16.h5", "r") as file:  # the last three were 5, 6 and 7
            numpy.testing.assert_array_equal(file["train/x"][:, 0], pixels[[0, 1, 3, 4]])
            numpy.testing.assert_array_equal(file["test/x"][:, 0], pixels[[5, 6]])  # a PNG, whatever its name
        description = tomllib.loads((self.folder / "images-16.toml").read_text())
        self.assertEqual([description["splits"][split]["count"] for split in ("train", "test")], [4, 2])


class Disk(Import):
    def fill_folder(self):
        super().fill_folder()
        write_png(self.images / "0.png", noise(400, 400, 3))
        for i in range(1, 300):
            os.link(self.images / "0.png", self.images / f"{i}.png")

    def test_interrupted(self):
        with self.start("data", "import", "images", "--size", 200) as process:
            result = self.interrupt_after(process, lambda: any(self.folder.glob(".variform-tmp-*")))
        self.assertEqual(result.code, 130, str(result))
        self.assertRegex(result.stderr, r"interrupted after \d+ images; nothing was written")
        self.assertEqual(self.written(), [])

    def test_no_room(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))

        result = self.make("--size", 200, code=1, preexec_fn=limit)
        self.assertIn("images-200.h5", result.stderr)
        self.assertIn("could not be written: writing failed: File too large", result.stderr)
        self.assertIn("no file was left behind", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertEqual(self.written(), [])


class Training(Import):
    def test_config_of_celeba(self):
        """Faces in the proportions of CelebA's, of spots: from the folder to samples of the trained model."""
        spots, quadrants = blobs(60, size=178)
        for i, spot in enumerate(spots):
            face = numpy.stack([numpy.roll(numpy.pad(spot, ((20, 20), (0, 0))), 7 * c, 0) for c in range(3)], 2)
            write_png(self.images / f"{i + 1:06}.png", face)
        file, _ = self.imported("--crop", 140, "--size", 64, "--test", 12, "--out", "celeba-64.h5")
        self.assertEqual(file["train/x"].shape, (48, 3, 64, 64))
        file.close()
        config = SOURCE / "configs" / "models" / "celeba_conv.toml"
        smaller = ("data.dataset=celeba-64.toml", "data.validation=8")
        checked = self.run_program("check", config, *smaller)
        self.assertIn("data: celeba-64, 40 rows of [3, 64, 64], unit interval", checked.stdout)
        run = self.train(*smaller, "train.batch=8", "train.steps=3", config=config)
        evaluated = self.run_program("evaluate", run, "--json", "--limit", 2, "--importance-samples", 0,
                                     "--hessian-rows", 0).json
        self.assertEqual(evaluated["data"], 2)
        for command in ("sample", "reconstruct"):
            picture = self.folder / self.run_program(command, run).last_line
            self.assertGreater(picture.stat().st_size, 1000)
        # The description that comes with the program knows the true numbers, and refuses these.
        refused = self.run_program("check", config, "--data", self.folder, code=1)
        self.assertIn("expected 182637 data, found 48", refused.stderr)

    def test_damaged_after_the_import(self):
        write_png(self.images / "0.png", noise(16, 16))
        write_png(self.images / "1.png", noise(16, 16))
        self.make("--size", 8, "--test", 1)
        with open(self.folder / "images-8.h5", "ab") as file:
            file.write(b"more")
        refused = self.run_program("check", SOURCE / "configs/quickstart.toml", "data.dataset=images-8.toml", code=1)
        self.assertIn("the file is truncated or a different one", refused.stderr)


class List(Import):
    def state(self, *arguments, **options):
        result = self.run_program("data", "list", "made.toml", "--json", *arguments, **options)
        (entry,) = result.json
        return entry["complete"], entry["files"][0]["state"], entry["files"][0]["problem"]

    def test_states(self):
        for i in range(2):
            write_png(self.images / f"{i}.png", noise(8, 8))
        self.make("--size", 8, "--test", 1, "--out", "made.h5")
        file = self.folder / "made.h5"
        self.assertEqual(self.state(), (True, "found", ""))
        self.assertEqual(self.state("--verify"), (True, "verified", ""))
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        self.assertEqual(self.state()[1], "found")
        self.assertRegex(self.state("--verify", code=1)[2], "made.h5: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}")
        file.write_bytes(whole[:-1])
        self.assertRegex(self.state(code=1)[2], rf"made.h5: expected {len(whole)} bytes, found {len(whole) - 1}\.")
        file.unlink()
        self.assertEqual(self.state(), (False, "missing", ""))

    def test_all(self):
        listed = self.run_program("data", "list", "--data", self.folder).stdout
        self.assertRegex(listed, r"(?m)^celeba-64 +\[3, 64, 64\]  missing ")
        self.assertRegex(listed, r"(?m)^celeba-64: accept the terms of CelebA .* run variform data import img_align_celeba ")
        self.assertIn(f"looked for in: {self.folder}", listed)
        self.assertIn('did you mean "mnist"?', self.run_program("data", "list", "mnits", code=1).stderr)
        (self.folder / "bad.toml").write_text("x = 3")
        self.assertIn("bad.toml", self.run_program("data", "list", "./bad.toml", code=1).stdout)


if __name__ == "__main__":
    main()
