"""What the public headers say of their functions, read from their text: comments, and the rules that a header's first
comment or a class's states once for all its functions. test_contracts.py says what must be there."""

import pathlib
import re
from dataclasses import dataclass, field

# What a function's comment must say by itself where no rule does; and the names of these facts in rules.
WORDS = {
    "shapes": r"\[(?!any\b)[^\]]*\]|\b0-dim\b|\b(the same|that) shape\b",
    "dtype": r"\bdtype\b|\bu?int(8|32|64)\b|\bfloat(32|64)\b|\bbfloat16\b|\bbool\b",
    "device": r"\bdevice\b|\bon the CPU\b",
    "autograd": r"\bautograd\b|\bno_grad\b|\b[Dd]ifferentiable\b",
    "calls": r"\bper (step|batch|lookup|file)\b|\b[Oo]nce\b|\b[Aa]ny number of times\b|\b[Ss]everal times\b"
             r"|\b[Ee]ach time\b|\bfirst asked\b|\bas often as\b",
    "thread": r"\bthreads?\b",
    "recorded step": r"\brecorded\b",
    "errors": r"\b[Tt]hrows?\b|\b(Error|Unsupported)\b",
    "source": r"§\d|\btheory\b|\b(19|20)\d\d\b",
}
MIXED = "mixed precision"
RULES = r"nless a function says otherwise"
TENSORS = re.compile(r"\b(Tensor|Draw|Pushed|Pullback|LevelMoments|Linearization|Covariance|Gaussian|Terms|Batch)\b")
# What a function may compute with without a tensor in its signature.
COMPUTES = re.compile(TENSORS.pattern + r"|\b(Measured|Findings|Compared|Model)\b")
HERE = re.compile(r"(?:[Tt]he rule of|[Ss]ee|[Aa]s) (?:nn::)?(\w+)::(\w+)")


@dataclass
class Function:
    header: str
    owner: str  # its class; empty: none
    name: str
    signature: str
    comment: str
    access: str
    body: str
    virtual: bool = False
    override: bool = False

    def __str__(self):
        return f"{self.header}: {self.owner + '::' if self.owner else ''}{self.name}"


@dataclass
class Header:
    name: str
    introduction: str = ""
    classes: dict = field(default_factory=dict)  # comment by name
    functions: list = field(default_factory=list)


def words(lines):
    return re.sub(r"\s+", " ", " ".join(lines)).strip()


def closing(text, start):
    """The place behind the bracket that closes the one at `start`; brackets in literals and comments do not count."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    opens, ends = text[start], pairs[text[start]]
    depth, at = 0, start
    while at < len(text):
        skipped = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|(?<![0-9A-Za-z_])\'(?:\\.|[^\'\\])\'', re.S).match(text, at)
        if skipped:
            at = skipped.end()
            continue
        depth += (text[at] == opens) - (text[at] == ends)
        at += 1
        if depth == 0:
            return at
    raise ValueError("a bracket is not closed: " + text[start:start + 60])


class Reading:
    """Reads one header, declaration by declaration."""

    def __init__(self, name, text):
        self.header = Header(name)
        first = re.match(r"#pragma once\n((?://[^\n]*\n)*)", text)
        self.header.introduction = words(line[2:] for line in first.group(1).splitlines()) if first else ""
        text = re.sub(r"(?ms)^/// @cond.*?^/// @endcond\n", "", text)
        self.text = re.sub(r"(?m)^#(?:[^\n]*\\\n)*[^\n]*", "", text)
        self.scopes = []  # [kind, class, access]
        self.comment = []
        self.at = 0

    def read(self):
        while self.step():
            pass
        return self.header

    def step(self):
        blank = re.compile(r"\s*").match(self.text, self.at)
        self.at = blank.end()
        if self.at >= len(self.text):
            return False
        comment = re.compile(r"//[^\n]*").match(self.text, self.at)
        if comment:
            line = comment.group()
            if line.startswith("///<") and self.header.functions and "\n" not in blank.group():
                self.header.functions[-1].comment += " " + line[4:].strip()
            elif line.startswith("///") and not line.startswith("///<"):
                self.comment.append(line[3:])
            self.at = comment.end()
            return True
        access = re.compile(r"(public|protected|private):").match(self.text, self.at)
        if access:
            self.scopes[-1][2] = access.group(1)
            self.at = access.end()
            return True
        if self.text[self.at] in "};":
            if self.text[self.at] == "}":
                self.scopes.pop()
            self.at += 1
            self.comment = []
            return True
        self.declaration()
        self.comment = []
        return True

    def declaration(self):
        start, text = self.at, self.text
        while True:
            character = text[self.at]
            if character == "(":
                self.at = closing(text, self.at)
            elif character == ";":
                self.at += 1
                return self.declared(text[start:self.at - 1], "")
            elif character == "{":
                head = words([text[start:self.at]])
                if self.opened(head):
                    self.at += 1
                    return None
                end = closing(text, self.at)
                if "(" in head and not re.match(r"[^(]*=[^=]", head):  # a function with its body
                    body, self.at = text[self.at:end], end
                    return self.declared(head, body)
                self.at = end
            else:
                self.at += 1

    def opened(self, head):
        """Enters a namespace or a class."""
        if re.match(r"(inline )?namespace\b|extern \"C\"", head):
            self.scopes.append(["namespace", "", "public"])
            return True
        found = re.match(r"(?:template ?<.*> ?)?(class|struct) (?:VARIFORM_API )?(\w+)(?: final)?(?: ?:.*)?$", head)
        if not found:
            return False
        self.header.classes[found.group(2)] = words(self.comment)
        self.scopes.append(["class", found.group(2), "public" if found.group(1) == "struct" else "private"])
        return True

    def declared(self, text, body):
        signature = words([re.sub(r"__attribute__ ?\(\(.*?\)\)\)?|\[\[.*?\]\]", "", words([text]))])
        signature = signature.replace("VARIFORM_API ", "")
        if re.match(r"(using|typedef|friend|static_assert|enum|class|struct|extern)\b", signature):
            return
        found = re.match(r"([^=(]*?)([~\w]+|operator ?[^\s(]+) ?\(", signature)
        if not found or signature[found.end():].startswith("*") or found.group(1).endswith("::"):
            return  # no function, or the definition of one that was declared before
        head, name = found.groups()
        owner, access = next(((s[1], s[2]) for s in reversed(self.scopes) if s[0] == "class"), ("", "public"))
        after = signature[closing(signature, found.end() - 1):]
        if name.startswith("~") or name == "operator" or re.search(r"= (delete|default)\b", after):
            return
        self.header.functions.append(Function(
            self.header.name, owner, name, signature, words(self.comment), access, body,
            virtual=bool(re.search(r"\bvirtual\b", head)), override=bool(re.search(r"\b(override|final)\b", after))))


def read(folder):
    """Every public header by its name, "ext/prior.h"."""
    folder = pathlib.Path(folder)
    return read_texts({str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.h"))})


def read_texts(texts):
    return {name: Reading(name, text).read() for name, text in texts.items()}


def rules_in(comment):
    """({fact: what a comment's rules say of it}, the headers whose rules hold besides)."""
    _, found, rules = comment.partition(re.search(RULES, comment).group() if re.search(RULES, comment) else "\0")
    if not found:
        return {}, []
    others = re.findall(r"the rules of (?:(\w+) in )?variform/([\w/]+\.h)", rules)
    names = "|".join(WORDS)
    stated = re.findall(rf"(?:^|[;:,.—] |\band )({names}): ([^;]*)", rules)
    return {fact: text for fact, text in stated if len(text.strip(" .")) >= 3}, others


def shapes_of(function):
    """How many shapes its comment must have: one for tensors that it takes, one for those that it gives."""
    result, _, arguments = function.signature.partition(function.name + "(")
    return max(1, bool(TENSORS.search(result)) + bool(TENSORS.search(arguments)))


class Contracts:
    """What holds of every function: its own words, then the rules of its class, its header, and those named there."""

    def __init__(self, headers):
        self.headers = headers
        self.functions = [f for header in headers.values() for f in header.functions if f.access != "private"]
        self.by_name = {(f.owner, f.name): f for f in self.functions}

    def own(self, function):
        """Its comment, with those that it refers to."""
        text = function.comment
        for owner, name in HERE.findall(text):
            if (owner, name) in self.by_name and self.by_name[owner, name] is not function:
                text += " " + self.by_name[owner, name].comment
        return text

    def rules(self, function):
        """The rules that hold for it, the nearest first."""
        header = self.headers[function.header]
        comments = [header.classes.get(function.owner, ""), header.introduction]
        seen = set()
        while comments:
            stated, others = rules_in(comments.pop(0))
            yield stated
            for owner, name in others:
                if name in self.headers and (owner, name) not in seen:
                    seen.add((owner, name))
                    comments += [self.headers[name].classes.get(owner, ""), self.headers[name].introduction]

    def says(self, function, fact):
        least = shapes_of(function) if fact == "shapes" else 1
        own = len(re.findall(WORDS[fact], self.own(function)))
        return own >= least or any(fact in stated for stated in self.rules(function))

    def says_mixed(self, function):
        return MIXED in self.own(function) or any(MIXED in stated.get("dtype", "") for stated in self.rules(function))

    def facts(self, function):
        """What must be known of a function that somebody writes."""
        facts = ["calls", "thread", "recorded step", "errors"]
        if COMPUTES.search(function.signature):
            facts += ["dtype", "device", "autograd", "source"]
        if TENSORS.search(function.signature):
            facts.append("shapes")
        return facts

    def missing(self):
        """(function, fact) of every fact that a function which somebody writes lacks."""
        lacks = []
        for function in self.functions:
            if not function.virtual or function.override:
                continue
            lacks += [(function, fact) for fact in self.facts(function) if not self.says(function, fact)]
            if "dtype" in self.facts(function) and not self.says_mixed(function):
                lacks.append((function, MIXED))
        return lacks

    def missing_of_others(self, throwing):
        """The same of functions that are only called: shapes, and errors where the sources throw some."""
        lacks = []
        for function in self.functions:
            if function.virtual or function.override or function.access != "public":
                continue
            if not function.comment:
                lacks.append((function, "a comment"))
            if TENSORS.search(function.signature) and not self.says(function, "shapes"):
                lacks.append((function, "shapes"))
            if throwing(function) and not self.says(function, "errors"):
                lacks.append((function, "errors"))
        return lacks


class Sources:
    """Which functions throw, by the texts that define them."""

    def __init__(self, folder):
        self.texts = [path.read_text() for path in sorted(pathlib.Path(folder).rglob("*.cpp"))]
        self.helpers = [self.throwing_in(text) for text in self.texts]

    @staticmethod
    def bodies(text, name):
        """The bodies of all definitions of a function, "Owner::name" or "name"."""
        for found in re.finditer(rf"(?m)^[\w:<>&*, \[\]]*?(?<![\w:]){re.escape(name)}\(", text):
            behind = closing(text, found.end() - 1)
            opens = re.compile(r"[^;{]*\{").match(text, behind)
            if opens:
                yield text[opens.start():closing(text, opens.end() - 1)]

    @classmethod
    def throwing_in(cls, text):
        """Functions of a file, without a class, that throw."""
        names = set(re.findall(r"(?m)^(?:\[\[noreturn\]\] )?(?:static )?(?:void|[\w:<>&]+) (\w+)\(", text))
        return {name for name in names if any("throw " in body for body in cls.bodies(text, name))}

    def throws(self, function):
        if "throw " in function.body:
            return True
        name = f"{function.owner}::{function.name}" if function.owner else function.name
        for text, helpers in zip(self.texts, self.helpers):
            for body in self.bodies(text, name):
                if "throw " in body or any(re.search(rf"\b{helper}\(", body) for helper in helpers - {function.name}):
                    return True
        return False
