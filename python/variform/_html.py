"""What a notebook shows of a run: samples, reconstructions, and the table of its last evaluation."""

import base64
import html
import json
import pathlib
import struct
import zlib

import torch

GAP, COLUMNS = 2, 8


def png(pictures: torch.Tensor, columns: int = COLUMNS) -> bytes:
    """Pictures [N, channels, height, width] in [0, 1] side by side as a PNG file."""
    bytes_ = (pictures.detach().cpu().float().nan_to_num(0, 1, 0).clamp(0, 1) * 255).round().to(torch.uint8)
    count, channels, height, width = bytes_.shape
    rows = -(-count // columns)
    page = torch.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, channels), 232, dtype=torch.uint8)
    for i, picture in enumerate(bytes_):
        top, left = i // columns * (height + GAP), i % columns * (width + GAP)
        page[top : top + height, left : left + width] = picture.permute(1, 2, 0)
    lines = b"".join(b"\0" + bytes(line.flatten().tolist()) for line in page)
    header = struct.pack(">IIBBBBB", page.shape[1], page.shape[0], 8, 2 if channels == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)


def _picture(title: str, pictures: torch.Tensor) -> str:
    text = base64.b64encode(png(pictures)).decode()
    return f'<figure style="display:inline-block;margin:4px"><img style="image-rendering:pixelated" height="{60 * -(-len(pictures) // COLUMNS)}" ' \
           f'src="data:image/png;base64,{text}"/><figcaption>{html.escape(title)}</figcaption></figure>'


def _pictures(run) -> str:
    """Samples and reconstructions; sentences where there are none."""
    if len(run.shape) != 3 or run.shape[0] not in (1, 3):
        return f"<p>The data are {list(run.shape)} each, not pictures.</p>"
    parts = []
    classes = min(COLUMNS, run.facts["condition"])
    try:
        conditions = {"condition": list(range(classes))} if run.facts["condition_on"] == "labels" and classes else {}
        parts.append(_picture("samples from the prior", run.sample(classes or 2 * COLUMNS, seed=0, **conditions)))
    except (ValueError, RuntimeError) as error:
        parts.append(f"<p>No samples: {html.escape(str(error))}</p>")
    try:
        with torch.no_grad():
            known = run.batch("test", 0, min(COLUMNS, run.split_size("test")))
            again = run.reconstruct(**known)
            both = [run._call("unscaled", each) for each in (known["x"], again)]
        parts.append(_picture("test data, and their reconstructions", torch.cat(both)))
    except (ValueError, RuntimeError) as error:
        parts.append(f"<p>No reconstructions: {html.escape(str(error))}</p>")
    return "".join(parts)


def _table(run) -> str:
    file = pathlib.Path(run.facts["folder"]) / "evaluation-test.json"
    try:
        values = (run.last_report or json.loads(file.read_text(encoding="utf-8")))["values"]
    except (OSError, ValueError, KeyError):
        return "<p>Not evaluated yet: <code>run.evaluate()</code>, or <code>variform evaluate</code> for a table here.</p>"
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{value['mean']:.5g}</td><td>{value['se']:.2g}</td></tr>"
        for name, value in values.items()
        if isinstance(value, dict) and isinstance(value.get("mean"), float) and isinstance(value.get("se"), float))
    return f"<table><tr><th>value, nats per example</th><th>mean</th><th>standard error</th></tr>{rows}</table>"


def of_run(run) -> str:
    return f"<div><pre>{html.escape(repr(run))}</pre>{_pictures(run)}{_table(run)}</div>"
