// Runs inside a page of the site, in the browser: what the test of the site wants to know about it. A plain script.

/** What a page has: its links as absolute URLs, the ids that links can lead to, and whether it is wider than the screen. */
function lookAtPage() {
  const root = document.documentElement;
  return {
    title: document.title,
    links: Array.from(document.querySelectorAll("a[href]"), (a) => a.href),
    written: Array.from(
      document.querySelectorAll("[href], [src]"),
      (e) => e.getAttribute("href") ?? e.getAttribute("src"),
    ),
    ids: Array.from(document.querySelectorAll("[id]"), (e) => e.id),
    overflow: root.scrollWidth - root.clientWidth,
    brokenImages: Array.from(document.images)
      .filter((image) => image.complete && image.naturalWidth === 0)
      .map((image) => image.src),
  };
}

/** The texts whose contrast with what is behind them is below a ratio, one of each pair of colours. */
function textsBelow(ratio) {
  const found = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === "" || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
      continue;
    if (["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const behind = backgroundOf(element);
    const front = over(parse(element instanceof SVGElement ? style.fill : style.color), behind);
    const contrast = contrastOf(front, behind);
    if (contrast >= ratio) continue;
    const pair = `${front.map(Math.round)} on ${behind.map(Math.round)}`;
    if (!found.has(pair)) found.set(pair, `"${node.data.trim().slice(0, 40)}" ${contrast.toFixed(2)}: ${pair}`);
  }
  return [...found.values()];
}

/** The contrast of each text and each shape of an SVG with its background, which is the element `.background`. */
function chartContrasts() {
  const behind = parse(getComputedStyle(document.querySelector(".background")).fill);
  return Array.from(document.querySelectorAll("text, rect:not(.background)"), (element) => ({
    what: element.textContent || element.getAttribute("class"),
    contrast: contrastOf(over(parse(getComputedStyle(element).fill), behind), behind),
  }));
}

function backgroundOf(element) {
  const layers = [];
  for (let e = element; e !== null; e = e.parentElement) {
    const layer = parse(getComputedStyle(e).backgroundColor);
    layers.unshift(layer);
    if (layer[3] === 1) break;
  }
  return layers.reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
}

/** A colour as the browser computes it: red, green, blue (0 to 255) and opacity. */
function parse(text) {
  const numbers = text.match(/-?[\d.]+(?:e-?\d+)?/g)?.map(Number) ?? [];
  const [red = 0, green = 0, blue = 0, opacity = 1] = numbers;
  if (/^rgba?\(/.test(text)) return [red, green, blue, opacity];
  if (/^color\(srgb /.test(text)) return [red * 255, green * 255, blue * 255, opacity];
  throw new Error(`cannot read the colour ${text}`);
}

function over([red, green, blue, opacity], behind) {
  const mix = (front, back) => front * opacity + back * (1 - opacity);
  return [mix(red, behind[0]), mix(green, behind[1]), mix(blue, behind[2]), 1];
}

/** As WCAG 2 defines it, from 1 to 21. */
function contrastOf(one, other) {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

function luminance([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((each) => {
    const share = each / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

window.siteTest = { lookAtPage, textsBelow, chartContrasts };
