"""How Sphinx builds the documentation: ``make docs``. Building fetches nothing from anywhere."""

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import sigma2r

project = "sigma2r"
author = "The sigma2r authors"
copyright = f"2026, {author}"
version = release = sigma2r.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"sigma2r {version}"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

# Other projects' names are not linked: that would need their inventories, and so a network.
_LIBRARIES = (
    "torch|jaxtyping|matplotlib|decimal|pytorch_lightning|torchmetrics|jsonargparse|collections|contextlib|pathlib"
    "|argparse|os|transformers|skorch|fastai"
)
_OURS = r"sigma2r\.samplers\._labels\.HasArray|sigma2r\.trained\._rejection\.AcceptsFeatures"
nitpick_ignore_regex = [
    (r"py:.*", rf"({_LIBRARIES})\..*"),
    (r"py:.*", rf"(Tensor|Path|Image\.Image|re\.Pattern|set|optional|{_OURS})"),
]


def before_napoleon(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep a colon in the first line of a property or a constant from being taken for the end of its type."""
    if what in ("attribute", "data", "property") and ": " in lines[0]:
        start, _, end = lines[0].partition(": ")
        lines[:1] = [f"{start}:", end]


def after_napoleon(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Escape what reads well in the source and not in reStructuredText.

    A description that is one letter (``num_classes: C.``) would be item C of a list, and a literal must not be
    followed by a superscript.
    """
    for i, line in enumerate(lines):
        line = re.sub(r"^(:param \w+: )([A-Za-z]\.)", r"\1\\\2", line)
        lines[i] = re.sub(r"(?<=``)(?=[²³])", r"\\ ", line)


def readable_defaults(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write a default that is made anew each time so that Sphinx can parse it, and a number without its bounds."""
    if signature:
        signature = re.sub(r"~?(?:typing\.)?Annotated\[(\w+), '[^']*'\]", r"\1", signature)
        signature = signature.replace("<factory>", "...")
    return signature, returns


def find_elsewhere(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Resolve a reference that names a public object by its last part, or by the package that re-exports it."""
    if node.get("refdomain") != "py":
        return None
    parts = node["reftarget"].removeprefix("sigma2r.").split(".")
    python = env.get_domain("py")
    known = [entry[0] for entry in python.get_objects()]
    for tail in (".".join(parts), ".".join(parts[-2:]), parts[-1]):
        found = [name for name in known if name == tail or name.endswith(f".{tail}")]
        if len(found) == 1:
            node["reftarget"] = found[0]
            return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], found[0], node, content)
    return None


def setup(app: Sphinx) -> None:
    """Register them; napoleon's own priority is 500."""
    app.connect("autodoc-process-docstring", before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", after_napoleon, priority=600)
    app.connect("autodoc-process-signature", readable_defaults)
    app.connect("missing-reference", find_elsewhere)
