"""The page in a real browser: headless Chromium, from a file, without a network."""

import itertools
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from sigma2r.report import write_report
from tests.conftest import require
from tests.report.conftest import make_record

ATTACK = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    require("chromium and chromedriver", bool(chromium and driver))
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1200,900",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    records = [
        make_record("cross-entropy", accuracy=0.95, scale=50.0, names=(ATTACK, "green", "blue")),
        *(make_record("center@0.4", s, accuracy=0.9 + 0.01 * s, scale=1.0 + s, names=(ATTACK, "green", "blue"))
          for s in range(3)),
        make_record("sigma2r@0.01", accuracy=0.92, scale=0.5, names=(ATTACK, "green", "blue")),
    ]  # fmt: skip
    return write_report(records, tmp_path_factory.mktemp("page")).as_uri()


@pytest.fixture
def page(browser, address):
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    browser.get(address)
    yield browser
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert errors == []


def heads(page):
    return page.find_elements(By.CSS_SELECTOR, "table:first-of-type thead button")[:9]


def column(page, number):
    table = page.find_element(By.TAG_NAME, "table")
    return [row.find_elements(By.CSS_SELECTOR, "th, td")[number].text for row in table.find_elements(
        By.CSS_SELECTOR, "tbody tr")]  # fmt: skip


def test_it_opens_and_shows_all(page):
    assert page.title == "sigma2r: a comparison of losses"
    assert column(page, 0) == ["cross-entropy", "center@0.4", "sigma2r@0.01"]
    pictures = page.find_elements(By.CSS_SELECTOR, "figure img")
    assert len(pictures) == 4
    assert all(page.execute_script("return arguments[0].naturalWidth", each) > 100 for each in pictures)


def test_a_click_sorts_by_numbers_a_second_turns_round_and_a_third_restores(page):
    accuracy = heads(page)[2]
    assert accuracy.text.startswith("accuracy")
    before = column(page, 2)
    orders = []
    for expected in ("ascending", "descending", "none"):
        accuracy.click()
        assert accuracy.find_element(By.XPATH, "..").get_attribute("aria-sort") == expected
        orders.append(column(page, 2))
    assert orders[0] == ["0.9100 ± 0.0248", "0.9200", "0.9500"]
    assert orders[1] == orders[0][::-1]
    assert orders[2] == before
    assert column(page, 0) == ["cross-entropy", "center@0.4", "sigma2r@0.01"]


def test_the_keyboard_sorts_too(page):
    spread = heads(page)[3]
    spread.send_keys(Keys.ENTER)
    assert column(page, 3)[0] == "1.000"
    spread.send_keys(Keys.SPACE)
    assert column(page, 3)[0] == "100.000"


def test_sorting_knows_the_numbers_of_a_report(page):
    values = ["–", "> 10,000", "1,234", "+0.0013", "-0.5 to +0.1", "0.8666 ± 0.0012", "12 %", "none"]
    order = page.execute_script("return arguments[0].sort((a, b) => compareCells(a, b, 1))", values)
    assert order == ["-0.5 to +0.1", "+0.0013", "0.8666 ± 0.0012", "12 %", "1,234", "> 10,000", "none", "–"]
    order = page.execute_script("return arguments[0].sort((a, b) => compareCells(a, b, -1))", values)
    assert order[0] == "> 10,000"
    assert order[-1] == "–"


def test_a_head_explains_itself_under_the_pointer_and_with_the_focus(page):
    tip = page.find_element(By.CLASS_NAME, "tip")
    assert not tip.is_displayed()
    accuracy = heads(page)[2]
    ActionChains(page).move_to_element(accuracy).perform()
    assert tip.is_displayed()
    assert "largest logit" in tip.text
    ActionChains(page).move_to_element(page.find_element(By.TAG_NAME, "h1")).perform()
    assert not tip.is_displayed()
    page.execute_script("arguments[0].focus()", accuracy)
    assert tip.is_displayed()
    accuracy.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()
    described = accuracy.get_attribute("aria-describedby")
    assert "largest logit" in page.find_element(By.ID, described).get_attribute("textContent")


def test_a_row_is_marked_under_the_pointer(page):
    row = page.find_element(By.CSS_SELECTOR, "tbody tr")
    before = row.value_of_css_property("background-color")
    ActionChains(page).move_to_element(row).perform()
    assert row.value_of_css_property("background-color") != before


def test_a_figure_opens_enlarged_zooms_moves_and_gives_the_focus_back(page):
    opener = page.find_element(By.CSS_SELECTOR, "figure > button")
    opener.send_keys(Keys.ENTER)
    dialog, image = page.find_element(By.TAG_NAME, "dialog"), page.find_element(By.CSS_SELECTOR, "dialog img")
    assert dialog.get_attribute("open") is not None
    assert image.get_attribute("alt") == opener.find_element(By.TAG_NAME, "img").get_attribute("alt")

    def scale():
        matrix = image.value_of_css_property("transform")
        return 1.0 if matrix == "none" else float(matrix.removeprefix("matrix(").split(",")[0])

    for key, expected in (("+", 1.25), ("+", 1.5625), ("-", 1.25), ("0", 1.0)):
        page.switch_to.active_element.send_keys(key)
        assert scale() == pytest.approx(expected)
    dialog.find_element(By.CSS_SELECTOR, "[data-action=in]").click()
    assert scale() == pytest.approx(1.25)
    assert dialog.find_element(By.TAG_NAME, "output").text == "125 %"
    place = image.rect["x"]
    page.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert image.rect["x"] == pytest.approx(place - 60, abs=1)
    view = dialog.find_element(By.CLASS_NAME, "view")
    ActionChains(page).drag_and_drop_by_offset(view, 40, 0).perform()
    assert image.rect["x"] > place - 60
    page.execute_script("arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: -400, cancelable: true}))", view)
    assert scale() == pytest.approx(1.25 * 2.71828, rel=1e-3)
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert dialog.get_attribute("open") is None
    assert page.switch_to.active_element == opener


def test_a_class_named_like_a_script_stays_text(page):
    assert page.execute_script("return document.scripts.length") == 1
    assert ATTACK in [head.text for head in page.find_elements(By.CSS_SELECTOR, "tbody th")]


def test_nothing_of_the_page_could_run_even_if_it_were_code(page):
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
    )
    assert page.execute_script("return window.ran") is None
    told = [entry["message"] for entry in page.get_log("browser")]
    assert any("Content Security Policy" in message for message in told)


def test_a_phone_scrolls_tables_and_not_the_page(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    )
    assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    regions = page.find_elements(By.CLASS_NAME, "scroll")
    assert any(page.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth", r) for r in regions)


def colours(page):
    return [page.find_element(By.TAG_NAME, "body").value_of_css_property(p) for p in ("color", "background-color")]


def test_it_is_dark_where_that_is_wanted_and_a_button_turns_it_round(page):
    light = colours(page)
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    dark = colours(page)
    assert dark != light
    page.find_element(By.ID, "theme").click()
    assert colours(page) == light
    page.find_element(By.ID, "theme").click()
    assert colours(page) == dark


CONTRAST = """
const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255).map(
  (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const light = (text) => { const [r, g, b] = rgb(text); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (node) => { for (; node; node = node.parentElement) {
  const colour = getComputedStyle(node).backgroundColor;
  if (colour !== "rgba(0, 0, 0, 0)") return colour; } return "rgb(255, 255, 255)"; };
return [...document.querySelectorAll("h1, h2, h3, p, th, td, caption, figcaption, dd, a, code, thead button")].filter(
  (node) => node.offsetParent).map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); });
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_told_from_what_is_behind_it(page, scheme):
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    ratios = page.execute_script(CONTRAST)
    assert len(ratios) > 50
    assert min(ratios) >= 4.5


def test_who_cannot_see_the_page_is_told_the_same(page):
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
    assert len(page.find_elements(By.TAG_NAME, "h1")) == 1
    assert all(len(img.get_attribute("alt")) > 40 for img in page.find_elements(By.CSS_SELECTOR, "figure img"))
    assert all(th.get_attribute("scope") in ("row", "col") for th in page.find_elements(By.TAG_NAME, "th"))
    assert all(table.find_elements(By.TAG_NAME, "caption") for table in page.find_elements(By.TAG_NAME, "table"))
    regions = page.find_elements(By.CSS_SELECTOR, "[role=region]")
    assert all(r.get_attribute("aria-label") and r.get_attribute("tabindex") == "0" for r in regions)
    levels = [int(h.tag_name[1]) for h in page.find_elements(By.CSS_SELECTOR, "h1, h2, h3")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [e.get_attribute("id") for e in page.find_elements(By.CSS_SELECTOR, "[id]")]
    assert len(set(ids)) == len(ids)
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("class") == "skip"
