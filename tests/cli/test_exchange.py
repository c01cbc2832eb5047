"""A model as safetensors: read by the format's own library bit for bit, and made a run again that gives the same numbers."""

import json
import shutil
import struct

from safetensors import safe_open

from program import ProgramTest, checkpoint, main


class Exchange(ProgramTest):
    def exported(self, *overrides):
        run = self.train(*overrides)
        files = self.run_program("export", run, "--format", "safetensors", "--out", "model").stdout.split()
        self.assertEqual(files, ["model.safetensors", "model.md"])
        return run

    def header(self):
        content = (self.folder / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        return json.loads(content[8:8 + length]), content[8 + length:]

    def write(self, header, data, name="changed.safetensors"):
        text = json.dumps(header).encode()
        (self.folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)
        return name

    def test_same_bits(self):
        # A prior of pseudo-inputs has a buffer or parameters of its own, spectral normalisation has buffers.
        run = self.exported("model.decoder.normalisation=spectral", "model.prior={type='vamp', pseudo_inputs=4}")
        stored = checkpoint(run).of("model/")
        with safe_open(self.folder / "model.safetensors", "numpy") as file:
            self.assertEqual(len(list(file.keys())), len(stored))
            for path, values in stored.items():
                _, slot, _, name = path.split("/", 3)
                found = file.get_tensor(f"{slot}.{name}")
                self.assertEqual((found.dtype, found.shape), (values.dtype, values.shape), path)
                self.assertEqual(found.tobytes(), values.tobytes(), path)
            self.assertIn("spectral", file.metadata()["variform.config"])

    def test_imported(self):
        run = self.exported("model.decoder.normalisation=spectral")
        self.run_program("evaluate", run, "--limit", 16)
        before = json.loads((run / "evaluation-test.json").read_text())
        shutil.move(run, self.folder / "elsewhere")
        imported = self.folder / self.run_program("import", "model.safetensors").last_line
        self.assertEqual(imported.name, run.name)
        self.run_program("evaluate", imported, "--limit", 16)
        self.assertEqual(json.loads((imported / "evaluation-test.json").read_text())["values"], before["values"])
        # Bit for bit the same file again.
        self.run_program("export", imported, "--format", "safetensors", "--out", "again")
        first, again = ((self.folder / f"{name}.safetensors").read_bytes() for name in ("model", "again"))
        self.assertEqual(first, again)
        refused = self.run_program("import", "model.safetensors", code=1)
        self.assertIn("already exists", refused.stderr)
        other = self.run_program("import", "model.safetensors", "--folder", "other").last_line
        self.assertIn("the model alone", self.run_program("resume", other, code=1).stderr)

    def test_card(self):
        run = self.exported()
        card = (self.folder / "model.md").read_text()
        for text in ("# small", "at step 22", "objective", "beta-vae", "train small.toml", "`loss` (at the training's end)", "licence"):
            self.assertIn(text, card)
        self.run_program("evaluate", run, "--limit", 16)
        self.run_program("export", run, "--format", "safetensors", "--out", "model")
        self.assertIn("`elbo` (test)", (self.folder / "model.md").read_text())

    def refused(self, name):
        result = self.run_program("import", name, code=1)
        self.assertFalse((self.folder / "runs").exists() and list((self.folder / "runs").iterdir()))
        self.assertIn(name, result.stderr)
        return result.stderr

    def test_damaged(self):
        shutil.rmtree(self.exported())
        header, data = self.header()
        name = next(key for key in header if key != "__metadata__")
        changed = {key: dict(value) for key, value in header.items()}
        content = (self.folder / "model.safetensors").read_bytes()
        for size in (0, 7, 40, len(content) // 2, len(content) - 1):
            (self.folder / "cut.safetensors").write_bytes(content[:size])
            self.refused("cut.safetensors")
        changed[name]["data_offsets"] = [0, len(data) + 4]
        self.assertIn("data_offsets", self.refused(self.write(changed, data)))
        changed[name] = dict(header[name], dtype="F8")
        self.assertIn("F64, F32", self.refused(self.write(changed, data)))
        changed[name] = dict(header[name], shape=[2**40, 2**40])
        self.assertIn("no more values", self.refused(self.write(changed, data)))
        changed[name] = dict(header[name], shape=[-1])
        self.refused(self.write(changed, data))
        del changed[name]
        self.assertIn(name.partition(".")[2], self.refused(self.write(changed, data)))  # a tensor is missing
        changed[name] = header[name]
        del changed["__metadata__"]["variform.config"]
        self.assertIn("without a config", self.refused(self.write(changed, data)))
        (self.folder / "deep.safetensors").write_bytes(struct.pack("<Q", 100_000) + b"[" * 100_000)
        self.refused("deep.safetensors")

    def test_other_plugins(self):
        """A model of a plugin that is not here is refused by its name."""
        shutil.rmtree(self.exported())
        header, data = self.header()
        header["__metadata__"]["variform.config"] = header["__metadata__"]["variform.config"].replace(
            'type = "diagonal"', 'type = "strange"')
        refused = self.run_program("import", self.write(header, data), code=2)
        self.assertIn("strange", refused.stderr)


if __name__ == "__main__":
    main()
