"""Configure Sphinx. `building` runs Sphinx on the sources that `lessons`, `reference` and `front` write."""

import json
import os
from pathlib import Path

HERE = Path(__file__).parent
ABOUT = json.loads(os.environ["LLMLIB_SITE"])  # descriptions of pages, and whether there is a playground

project = "How large language models work"
html_title = project
language = "en"
extensions = ["myst_nb", "edition.pages"]
exclude_patterns: list[str] = []
templates_path = [str(HERE / "templates")]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
suppress_warnings = ["myst.header"]
html_math_renderer = "mathml"
smartquotes = False
maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
add_module_names = False

html_theme = "furo"
html_favicon = str(HERE / "static" / "icon.svg")
html_static_path = [str(HERE / "static")]
html_extra_path = ABOUT["extra"]
html_css_files = ["outputs.css", "site.css"]
html_js_files = [("site.js", {"type": "module"})]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_use_index = True
html_domain_indices = False  # the reference lists the modules, with a sentence about each
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/more.html",
        "sidebar/scroll-end.html",
    ]
}
html_context = {"playground": ABOUT["playground"], "descriptions": ABOUT["descriptions"]}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "github-dark-high-contrast"
