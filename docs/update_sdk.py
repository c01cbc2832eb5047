#!/usr/bin/env python3
"""Writes the generated parts of docs/sdk.md: the reference, from the public headers' comments by Doxygen's XML, and the
table of conformance tests, from the program.

    docs/update_sdk.py [--check]      --check: changes nothing, fails when the text is not what the headers say

The table needs the built program in VARIFORM_BINARY; without it that part stays as it is.
"""

import argparse
import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/sdk.md"
HEADERS = ROOT / "sdk/include/variform"
# In the order in which an author meets them.
ORDER = ["plugin.h", "component.h", "context.h", "ability.h", "schema.h", "encoder.h", "decoder.h", "ext/decoder.h", "family.h",
         "ext/posterior.h", "ext/condition.h", "ext/family.h", "gaussian_posterior.h", "location_scale.h", "latent_kl.h", "covariance.h", "prior.h", "ext/prior.h", "ext/levels.h",
         "likelihood.h", "ext/likelihood.h", "ext/outputs.h", "objective.h", "ext/objective.h", "metric.h", "ext/metric.h", "reader.h", "ext/reader.h", "model.h", "nn/layer.h", "nn/layers.h", "nn/activation.h", "nn/dual.h", "nn/attention.h",
         "nn/network.h", "ext/network.h",
         "testing.h", "testing_metric.h", "types.h", "random.h", "log.h", "shuffle.h", "parallel.h", "descriptor.h", "manifest.h", "host.h"]
TABLE = "variform check --list --markdown"


def doxygen(*settings):
    """Runs Doxygen on the headers; returns what it warns of."""
    text = (ROOT / "docs/Doxyfile").read_text() + "\n".join(settings) + "\n"
    done = subprocess.run(["doxygen", "-"], input=text, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"update_sdk.py: doxygen failed: {done.stderr}")
    return done.stderr


def undocumented():
    """One line for every public entity without a comment."""
    with tempfile.TemporaryDirectory() as folder:
        said = doxygen(f"OUTPUT_DIRECTORY = {folder}", "GENERATE_XML = YES")
    # An override is documented where it was declared; Doxygen does not look there through the template With.
    overrides = re.compile(r"\) (const )?(override|final) \(function\) .* is not documented")
    lines = {line.replace(f"{ROOT}/", "") for line in said.splitlines() if line.strip() and not overrides.search(line)}
    return sorted(lines)


def words(element):
    """A description as Markdown in one line per paragraph."""
    if element is None:
        return ""
    out = element.text or ""
    for child in element:
        inner = words(child)
        if child.tag == "computeroutput":
            inner = f"`{inner}`"
        elif child.tag in ("para", "programlisting"):
            inner = f"\n{inner.strip()}\n"
        elif child.tag == "listitem":
            inner = f"\n- {inner.strip()}"
        elif child.tag in ("ndash", "mdash"):  # what Doxygen makes of -- and ---
            inner = "--" if child.tag == "ndash" else "---"
        out += inner + (child.tail or "")
    return re.sub(r"[ \n]+", " ", out).strip() if element.tag in ("briefdescription", "detaileddescription") else out


def described(element):
    brief, rest = words(element.find("briefdescription")), words(element.find("detaileddescription"))
    parts = f"{brief} {rest}".strip().split("`")
    parts[::2] = [re.sub(r"(<|(?<!\w)[*_])(?=\S)", r"\\\1", part) for part in parts[::2]]  # Markdown would read these as its own
    return "`".join(parts)


def plain(element):
    return "".join(element.itertext()).strip() if element is not None else ""


def tidy(code):
    """C++ as the headers write it: Doxygen puts blanks elsewhere."""
    code = re.sub(r" ([&*]+) ?(?=\w)", r"\1 ", code)
    code = re.sub(r" ([&*]+)(?= ?[,)>]|$)", r"\1", code)
    code = re.sub(r"< ([^<>]*(?:<[^<>]*>[^<>]*)*) >", r"<\1>", code)
    code = re.sub(r"< ", "<", re.sub(r" >", ">", code))
    code = re.sub(r" ?=(?! )", " = ", code)
    return re.sub(r" +", " ", code).strip()


def signature(member):
    kind, name, arguments = member.get("kind"), plain(member.find("name")), plain(member.find("argsstring"))
    if kind == "define":
        parameters = ", ".join(plain(p.find("defname")) for p in member.iter("param"))
        return f"{name}({parameters})" if parameters else name
    if kind == "enum":
        values = ", ".join(plain(v.find("name")) for v in member.iter("enumvalue"))
        return f"enum class {name} {{ {values} }}"
    kind_of = plain(member.find("type"))
    if kind == "typedef":
        return tidy(f"using {name} = {kind_of}")
    value = plain(member.find("initializer"))
    text = f"{kind_of} {name}{arguments}"
    if "(*" in kind_of:
        text = f"{kind_of}{name}{arguments}"
    if kind == "variable" and value and len(value) < 40 and "\n" not in value:
        text += f" {value}" if not value.startswith("{") else value
    template = ", ".join(tidy(f"{plain(p.find('type'))} {plain(p.find('declname'))}")
                         for p in member.findall("templateparamlist/param"))
    before = f"template <{template}> " if template else ""
    if member.get("static") == "yes" and "static" not in text:
        before += "static "
    if member.get("explicit") == "yes":
        before += "explicit "
    if member.get("virt", "non-virtual") != "non-virtual" and " override" not in arguments:
        before += "virtual "
    return before + tidy(text)


def place(element):
    location = element.find("location")
    return (location.get("file", "").removeprefix("variform/"), int(location.get("line", 0)))


class Reference:
    """All documented entities, by header and line."""

    def __init__(self, xml):
        self.entities = {header: [] for header in ORDER}
        for path in sorted(xml.glob("*.xml")):
            compound = ET.parse(path).getroot().find("compounddef")
            if compound is None:
                continue
            if compound.get("kind") in ("class", "struct") and compound.find("location") is not None:
                self.add(compound, compound)
            elif compound.get("kind") in ("namespace", "file"):
                for member in compound.iter("memberdef"):
                    self.add(member, member)

    def add(self, element, entity):
        header, line = place(element)
        if header in self.entities and described(element):
            if (line, plain(element.find("name"))) not in [(l, plain(e.find("name"))) for l, e in self.entities[header]]:
                self.entities[header].append((line, entity))

    def markdown(self):
        return "\n".join(self.section(header) for header in ORDER)

    def section(self, header):
        out = [f"### variform/{header}", "", introduction(HEADERS / header), ""]
        entities = sorted(self.entities[header], key=lambda e: e[0])
        loose = False
        for _, entity in entities:
            if entity.tag == "compounddef":
                out += ([""] if loose else []) + self.compound(entity)
                loose = False
            else:
                out.append(f"- `{signature(entity)}`  \n  {described(entity)}")
                loose = True
        return "\n".join(out).rstrip() + "\n"

    def compound(self, compound):
        name = re.sub(r"variform::(v2::)?", "", plain(compound.find("compoundname")))
        bases = [re.sub(r"variform::(v2::)?", "", plain(b)) for b in compound.findall("basecompoundref")]
        title = f"#### {compound.get('kind')} {name}" + (f" : {', '.join(bases)}" if bases else "")
        out = [title, "", described(compound), ""]
        members = [m for m in compound.iter("memberdef") if m.get("prot") == "public" and described(m)]
        for member in sorted(members, key=place):
            out.append(f"- `{signature(member)}`  \n  {described(member)}")
        return out + ([""] if members else [])


def introduction(path):
    """The header's own first lines: why it exists."""
    lines = []
    for line in path.read_text().splitlines()[1:]:
        if not line.startswith("//"):
            break
        lines.append(line[2:])
    example = [i for i, line in enumerate(lines) if line.startswith("   ")]
    if not example:
        return " ".join(line.strip() for line in lines)
    first, last = example[0], example[-1]
    code = "\n".join(line[3:] for line in lines[first:last + 1])
    rest = " ".join(line.strip() for line in lines[last + 1:]).strip()
    return " ".join(l.strip() for l in lines[:first]).strip() + f"\n\n```cpp\n{code}\n```\n\n{rest}"


def fill(page, marker, text):
    begin, end = f"<!-- begin: {marker} -->", f"<!-- end: {marker} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"update_sdk.py: docs/sdk.md must have one '{begin}' and one '{end}'")
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text.strip()}\n{end}{rest.split(end)[1]}"


def table():
    """The conformance tests as the program lists them; None without a program that does."""
    binary = os.environ.get("VARIFORM_BINARY")
    if not binary or not pathlib.Path(binary).exists():
        return None
    done = subprocess.run([binary, *TABLE.split()[1:]], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def updated(page):
    with tempfile.TemporaryDirectory() as folder:
        doxygen(f"OUTPUT_DIRECTORY = {folder}", "GENERATE_XML = YES", "INHERIT_DOCS = NO", "WARNINGS = NO",
                "WARN_IF_UNDOCUMENTED = NO")
        missing = {str(h.relative_to(HEADERS)) for h in HEADERS.rglob("*.h")} ^ set(ORDER)
        if missing:
            raise SystemExit(f"update_sdk.py: ORDER and the public headers differ in {', '.join(sorted(missing))}")
        page = fill(page, "reference", Reference(pathlib.Path(folder) / "xml").markdown())
    tests = table()
    return fill(page, TABLE, tests) if tests else page


def differences(before, after):
    return "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), "docs/sdk.md", "the headers",
                                          lineterm="", n=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    before = PAGE.read_text()
    after = updated(before)
    if not given.check:
        PAGE.write_text(after)
        return 0
    text = differences(before, after)
    if text:
        print(f"docs/sdk.md is not what the headers say; run docs/update_sdk.py\n{text}", file=sys.stderr)
    return 1 if text else 0


if __name__ == "__main__":
    sys.exit(main())
