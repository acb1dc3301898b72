// Opens a page in Chromium, in both themes, with and without JavaScript, wide and narrow, and prints as JSON
// what was found. Usage: node check.mjs CHROMIUM PAGE [FOLDER]; screenshots and a print go into the folder.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [executablePath, file, folder] = process.argv.slice(2);
const installed = createRequire(path.join(process.cwd(), "package.json"));
const { chromium } = installed("playwright-core");
const axe = readFileSync(installed.resolve("axe-core/axe.min.js"), "utf8");
const url = pathToFileURL(file).href;
const WIDE = 1280;
const NARROW = 380;

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

async function look(colorScheme, javaScriptEnabled) {
  const context = await browser.newContext({
    colorScheme,
    javaScriptEnabled,
    viewport: { width: WIDE, height: 900 },
  });
  const page = await context.newPage();
  const found = { theme: colorScheme, script: javaScriptEnabled, said: [], requests: [], overflow: {} };
  page.on("console", (message) => found.said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => found.said.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) found.requests.push(request.url());
  });
  await page.goto(url);
  found.ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  found.broken = await page.evaluate(() => [...document.images].filter((i) => !i.naturalWidth).length);
  found.buttons = await page.locator("thead button").count();
  if (javaScriptEnabled) found.sorted = await sort(page);
  for (const width of [NARROW, WIDE]) {
    await page.setViewportSize({ width, height: 900 });
    found.overflow[width] = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    if (folder) {
      const name = `${colorScheme}-${width}${javaScriptEnabled ? "" : "-plain"}.png`;
      await page.screenshot({ path: path.join(folder, name), fullPage: true });
    }
  }
  found.axe = await judge(javaScriptEnabled ? page : await unscripted(colorScheme));
  await context.close();
  return found;
}

// Axe itself is JavaScript. The page without its script is the page as it stands where scripts are off.
async function unscripted(colorScheme) {
  const page = await browser.newPage({ colorScheme });
  await page.setContent(readFileSync(file, "utf8").replace(/<script>[^]*?<\/script>/, ""));
  return page;
}

async function judge(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map((violation) => ({
    id: violation.id,
    impact: violation.impact,
    nodes: violation.nodes.slice(0, 5).map((node) => `${node.target}: ${node.failureSummary}`),
  }));
}

// Sorts the table of failure modes, or else the first one, by its first column, with the keyboard alone, until it is back in the first order.
async function sort(page) {
  const modes = page.locator("#modes table.sortable");
  const table = ((await modes.count()) ? modes : page.locator("table.sortable")).first();
  const head = table.locator("thead th").first();
  const states = [];
  await head.locator("button").focus();
  for (let pressed = 0; pressed < 4; pressed += 1) {
    const rows = await table.locator("tbody tr").evaluateAll((all) => all.map((row) => row.cells[0].innerText));
    states.push({ sort: await head.getAttribute("aria-sort"), rows });
    if (pressed < 3) await page.keyboard.press("Enter");
  }
  return states;
}

const pages = [];
for (const theme of ["light", "dark"]) {
  for (const script of [true, false]) pages.push(await look(theme, script));
}
const page = await browser.newPage();
await page.goto(url);
await page.keyboard.press("Tab");
const firstStop = await page.evaluate(() => document.activeElement.getAttribute("href"));
await page.keyboard.press("Enter");
const skippedTo = await page.evaluate(() => document.activeElement.id);
if (folder) await page.pdf({ path: path.join(folder, "print.pdf"), format: "A4" });
await browser.close();
console.log(JSON.stringify({ firstStop, skippedTo, pages }));
