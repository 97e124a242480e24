"""Click the buttons in a view's Save menu, and read the files."""

import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
from PIL import Image


def check_exports(page, view, name, html=True):
    """Check that the saved SVG, the PNG and, if `html`, the page are well-formed; return the SVG's root."""
    menu = view.locator("summary", has_text="Save")
    if menu.evaluate("summary => !summary.parentElement.open"):
        menu.click()
    root = ET.fromstring(up_to_date(lambda: saved(page, view, "SVG", f"{name}.svg")))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    width, height = (float(root.get(side)) for side in ("width", "height"))
    picture = Image.open(io.BytesIO(saved(page, view, "PNG", f"{name}.png")))
    assert picture.size == (2 * int(width), 2 * int(height))
    pixels = np.asarray(picture.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3)[::7], axis=0)) > 2, "the picture must not be blank"
    if html:
        source = saved(page, view, "HTML page", f"{name}.html").decode()
        payload = json.loads(re.search(r'id="payload">(.*?)</script>', source, re.S)[1])
        assert payload["esm"]
        assert payload["state"]
        assert not re.search(r"https?://(?!www\.w3\.org/)", source)
    menu.click()
    return root


def up_to_date(save):
    """Save until two files in a row are equal, as the page's state may not have reached Python yet; return the last."""
    before, now = None, save()
    while now != before:
        before, now = now, save()
    return now


def saved(page, view, button, name):
    with page.expect_download() as download:
        view.get_by_role("button", name=button, exact=True).click()
    assert download.value.suggested_filename == name
    return download.value.path().read_bytes()
