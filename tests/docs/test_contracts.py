"""Every function of the public headers says its contract: whoever writes it, or calls it, must not have to guess.

Of a function that somebody implements (every virtual one, of abilities, too) must be known: shapes where it takes or
gives tensors, dtype under mixed precision, too, device, autograd, source; and of all: how often it is called, by which
thread, whether within a recorded step, errors. Its own comment says it, or the rules that its header's or its class's
comment states once, "Unless a function says otherwise: dtype: …; thread: …", which may name another header, whose rules
then hold, too. Functions that are only called need a comment, shapes, and errors where the sources throw some."""

import dataclasses
import pathlib
import re
import unittest

import contracts

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADERS = {str(path.relative_to(ROOT / "sdk/include/variform")): path.read_text()
           for path in sorted((ROOT / "sdk/include/variform").rglob("*.h"))}

# What single functions say against the rules, and what would be missed by nobody but authors.
EXCEPTIONS = {
    ("Encoder", "encode"): ["bfloat16 under mixed precision"],
    ("Decoder", "decode"): ["bfloat16 under mixed precision", "Twice differentiable"],
    ("Pushforward", "pushforward"): ["bfloat16 under mixed precision"],
    ("PullbackMetric", "pullback_metric"): ["never under mixed precision"],
    ("RowsIndependent", "rows_independent"): ["training mode"],
    ("VariationalFamily", "parameter_count"): ["any thread", "the same each time"],
    ("VariationalFamily", "posterior"): ["Once per step", "Two threads may call it at once"],
    ("Posterior", "rsample"): ["`rng` only", "differentiable at fixed noise"],
    ("Posterior", "log_prob"): ["throws Unsupported"],
    ("LogMarginals", "log_marginals"): ["Throws Unsupported"],
    ("Moments", "covariance"): ["or float64"],
    ("Prior", "log_prob"): ["Several times per step"],
    ("Prior", "sample"): ["`rng` only"],
    ("Likelihood", "nll"): ["Several times per step", "in training mode in training only"],
    ("Likelihood", "sample"): ["`rng` only"],
    ("CurvatureForm", "curvature_form"): ["float64, whatever x and g are", "Throws Unsupported"],
    ("IsotropicCurvature", "isotropic_curvature"): ["not under mixed precision", "never with a mask"],
    ("NoiseVariance", "noise_variance"): ["on the host", "never within a recorded step"],
    ("Objective", "evaluate"): ["Once per step", "model.rng only", "within a recorded step"],
    ("Weighted", "beta"): ["on the host"],
    ("Metric", "measure"): ["Once per batch, in order"],
    ("Finishes", "finish"): ["once, after the last batch"],
    ("Reader", "suffixes"): ["any thread"],
    ("Reader", "recognises"): ["Must not throw", "any thread"],
    ("ArrayFile", "read"): ["Throws for a range or a name that the file does not have"],
}

# Rules of headers and classes that say something else than the more general ones that hold besides.
DIFFERING = {
    "Build": ["errors"],
    "ext/condition.h": ["thread"],
    "ext/family.h": ["recorded step", "thread"],
    "ext/levels.h": ["source"],
    "ext/network.h": ["thread"],
    "ext/objective.h": ["recorded step"],
    "ext/outputs.h": ["recorded step"],
    "Posterior": ["autograd", "thread"],
    "host.h": ["autograd"],
    "ParameterSource": ["errors"],
    "location_scale.h": ["source"],
    "metric.h": ["autograd", "recorded step"],
    "Findings": ["autograd", "device", "dtype", "errors"],
    "Features": ["dtype"],
    "Measured": ["calls", "dtype", "errors"],
    "Compared": ["dtype"],
    "nn/dual.h": ["errors", "thread"],
    "nn/layer.h": ["device", "dtype", "errors", "thread"],
    "reader.h": ["autograd", "device", "dtype", "recorded step"],
    "ArrayFile": ["errors"],
}

# A header with everything that a function must say, each fact by itself.
FACTS = {
    "shapes": "x [B, data…] -> [B, d].",
    "dtype": "In the dtype of Build::options,",
    contracts.MIXED: "also under mixed precision.",
    "device": "On the model's device.",
    "autograd": "Under no_grad in evaluations.",
    "calls": "Once per step.",
    "thread": "By one thread.",
    "recorded step": "It must suit one that is recorded.",
    "errors": "Throws Unsupported where it cannot.",
    "source": "Theory: §3.",
}
RULES = {
    "dtype": "Build::options', under mixed precision, too", "device": "the model's",
    "autograd": "under no_grad in evaluations", "calls": "several times per step", "thread": "one at a time",
    "recorded step": "no .item()", "errors": "throws Error", "source": "theory §3",
}
MAKE = "virtual Tensor make(const Tensor& x) = 0;"


def fake(comment, *, header="Why it exists.", of_class="A kind.", signature=MAKE):
    return (f"#pragma once\n// {header}\n\nnamespace variform {{\ninline namespace v2 {{\n\n/// {of_class}\n"
            "class VARIFORM_API Kind : public Component {\n public:\n  ~Kind() override;\n"
            f"  /// {comment}\n  {signature}\n}};\n\n"
            "}  // namespace v2\n}  // namespace variform\n")


def rules(without=""):
    stated = "; ".join(f"{fact}: {text}" for fact, text in RULES.items() if fact != without)
    return f"Unless a function says otherwise: {stated}."


def lacking(texts):
    """The facts that a header's functions lack, "Kind::make" being the only one of a fake."""
    texts = texts if isinstance(texts, dict) else {"fake.h": texts}
    return [fact for _, fact in contracts.Contracts(contracts.read_texts(texts)).missing()]


class Headers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.contracts = contracts.Contracts(contracts.read_texts(HEADERS))
        sources = contracts.Sources(ROOT / "sdk/src")
        throwing = {id(f): sources.throws(f) for f in cls.contracts.functions}
        cls.throws = staticmethod(lambda function: throwing[id(function)])

    def test_all_functions_that_authors_write_are_looked_at(self):
        found = {(f.owner, f.name) for f in self.contracts.functions if f.virtual and not f.override}
        declared = set()
        for text in HEADERS.values():
            declared |= set(re.findall(r"(?m)^  virtual [^~;{]*?(\w+)\(", text))
        self.assertEqual({name for _, name in found}, declared)
        self.assertGreaterEqual(len(found), 140)
        self.assertLessEqual(set(EXCEPTIONS), found)

    def test_functions_that_authors_write_say_their_contract(self):
        self.assertEqual([f"{function} lacks: {fact}" for function, fact in self.contracts.missing()], [])

    def test_functions_that_authors_call_say_shapes_and_errors(self):
        lacks = self.contracts.missing_of_others(self.throws)
        self.assertEqual([f"{function} lacks: {fact}" for function, fact in lacks], [])

    def test_what_differs_is_said(self):
        for (owner, name), sentences in EXCEPTIONS.items():
            for sentence in sentences:
                with self.subTest(function=f"{owner}::{name}", lacks=sentence):
                    self.assertIn(sentence.lower(), self.contracts.by_name[owner, name].comment.lower())

    def test_no_rule_can_be_deleted(self):
        """Without any one fact of any rules a function lacks it, or it differs from more general ones: DIFFERING."""
        looked, differing = 0, {}
        for name, header in self.contracts.headers.items():
            for owner, comment in [("", header.introduction), *header.classes.items()]:
                stated, others = contracts.rules_in(comment)
                general = set()
                for of, other in others:
                    general |= self.stated_from(other, of)
                if owner:
                    general |= self.stated_from(name)
                if stated.keys() & general:
                    differing[owner or name] = sorted(stated.keys() & general)
                for fact in set(stated) - general:
                    looked += 1
                    with self.subTest(header=name, rule=fact):
                        self.assertTrue(self.without(name, fact, stated[fact]))
        self.assertGreaterEqual(looked, 20)
        self.assertEqual(differing, DIFFERING)

    def stated_from(self, name, owner=""):
        """The facts that the rules of a header (and of a class of it) state, with those of headers that they name."""
        facts = set()
        for comment in (self.contracts.headers[name].classes.get(owner, ""), self.contracts.headers[name].introduction):
            stated, others = contracts.rules_in(comment)
            facts |= set(stated)
            for of, other in others:
                facts |= self.stated_from(other, of)
        return facts

    def without(self, name, fact, text):
        """What is missing when one fact is deleted from a header's rules."""
        rule, header = f"{fact}: {text}", self.contracts.headers[name]
        classes = {owner: comment.replace(rule, "") for owner, comment in header.classes.items()}
        shorter = dataclasses.replace(header, introduction=header.introduction.replace(rule, ""), classes=classes)
        left = contracts.Contracts({**self.contracts.headers, name: shorter})
        return left.missing() or left.missing_of_others(self.throws)


class Refusals(unittest.TestCase):
    """That the test refuses what lacks a fact: a fake header, fact by fact."""

    def test_facts_of_a_function(self):
        self.assertEqual(lacking(fake(" ".join(FACTS.values()))), [])
        for fact in FACTS:
            with self.subTest(without=fact):
                comment = " ".join(text for name, text in FACTS.items() if name != fact)
                self.assertIn(fact, lacking(fake(comment)))
                self.assertLessEqual(set(lacking(fake(comment))), {fact, contracts.MIXED})
        self.assertEqual(set(lacking(fake(""))), set(FACTS))

    def test_rules_of_a_header_and_of_a_class(self):
        for place in ("header", "of_class"):
            self.assertEqual(lacking(fake(FACTS["shapes"], **{place: rules()})), [])
            for fact in RULES:
                with self.subTest(rules=place, without=fact):
                    self.assertIn(fact, lacking(fake(FACTS["shapes"], **{place: rules(without=fact)})))

    def test_rules_of_another_header(self):
        texts = {"other.h": fake("", header=rules(), signature="int plain();"),
                 "fake.h": fake(FACTS["shapes"],
                                header="Unless a function says otherwise, the rules of variform/other.h hold.")}
        self.assertEqual(lacking(texts), [])
        texts["other.h"] = texts["other.h"].replace("device: the model's; ", "")
        self.assertEqual(lacking(texts), ["device"])
        texts["fake.h"] = texts["fake.h"].replace("the rules of variform/other.h hold", "all is well")
        self.assertEqual(set(lacking(texts)), {*RULES, contracts.MIXED})

    def test_an_empty_rule_is_none(self):
        empty = rules().replace("device: the model's", "device: ")
        self.assertIn("device", lacking(fake(FACTS["shapes"], header=empty)))

    def test_the_comment_of_a_class_is_no_functions(self):
        self.assertEqual(set(lacking(fake("", of_class=" ".join(FACTS.values())))), set(FACTS))

    def test_one_shape_is_not_two(self):
        self.assertEqual(lacking(fake("Of x [B, data…].", header=rules())), ["shapes"])

    def test_functions_without_tensors_need_less(self):
        self.assertEqual(set(lacking(fake("", signature="virtual int count() const { return 1; }"))),
                         {"calls", "thread", "recorded step", "errors"})

    def test_functions_that_are_only_called(self):
        def lacks(comment, signature, throws=False):
            read = contracts.Contracts(contracts.read_texts({"fake.h": fake(comment, signature=signature)}))
            return [fact for _, fact in read.missing_of_others(lambda function: throws or "throw " in function.body)]
        self.assertEqual(lacks("Of x [B] -> [B].", "Tensor of(const Tensor& x) const;"), [])
        self.assertEqual(lacks("Of x [B].", "Tensor of(const Tensor& x) const;"), ["shapes"])
        self.assertEqual(lacks("Counts.", "int count() const;", throws=True), ["errors"])
        self.assertEqual(lacks("Counts.", "int count() const { throw Error(\"}\"); }"), ["errors"])
        self.assertEqual(lacks("", "int count() const;"), ["a comment"])


if __name__ == "__main__":
    unittest.main()
